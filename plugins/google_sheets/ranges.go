package main

import "fmt"

// ReadRanges is the input of "read_ranges".
type ReadRanges struct {
	Spreadsheet string `json:"spreadsheet"`
	Rendering
	Ranges []string `json:"ranges"`
	By     string   `json:"by"` // "rows" (if empty) or "columns"
}

// Ranges is the output of "read_ranges".
type Ranges struct {
	Ranges []OneRange `json:"ranges"`
}

// OneRange is a rectangle of cells.
type OneRange struct {
	Range  string   `json:"range"`
	Values [][]Cell `json:"values"`
}

func (s service) readRanges(in ReadRanges) (Ranges, error) {
	spreadsheet, err := spreadsheetID(in.Spreadsheet)
	if err != nil {
		return Ranges{}, err
	}
	query, err := in.query()
	if err != nil {
		return Ranges{}, err
	}
	if query["majorDimension"], err = dimension(in.By); err != nil {
		return Ranges{}, err
	}
	ranges, err := plainRanges(in.Ranges)
	if err != nil {
		return Ranges{}, err
	}
	read, err := s.batchGet(spreadsheet, ranges, query)
	if err != nil {
		return Ranges{}, err
	}
	out := Ranges{}
	for _, r := range read {
		one := OneRange{Range: r.Range, Values: r.Values}
		width := 0
		for _, line := range r.Values {
			width = max(width, len(line))
		}
		if one.Values == nil {
			one.Values = [][]Cell{}
		}
		for i, line := range one.Values {
			for j := range line {
				line[j] = incoming(line[j])
			}
			for len(line) < width {
				line = append(line, null)
			}
			one.Values[i] = line
		}
		out.Ranges = append(out.Ranges, one)
	}
	return out, nil
}

func dimension(by string) ([]string, error) {
	switch by {
	case "", "rows":
		return []string{"ROWS"}, nil
	case "columns":
		return []string{"COLUMNS"}, nil
	}
	return nil, invalid("by: %q is neither rows nor columns", short(by))
}

func plainRanges(texts []string) ([]string, error) {
	if len(texts) == 0 || len(texts) > maxRanges {
		return nil, invalid("ranges: %d of them; give 1 to %d", len(texts), maxRanges)
	}
	ranges := make([]string, len(texts))
	for i, text := range texts {
		var err error
		if ranges[i], err = plainRange(text); err != nil {
			return nil, err
		}
	}
	return ranges, nil
}

// UpdateRanges is the input of "update_ranges".
type UpdateRanges struct {
	Spreadsheet string         `json:"spreadsheet"`
	Ranges      []WrittenRange `json:"ranges"`
	Input       string         `json:"input"`
}

// WrittenRange is what goes into one range.
type WrittenRange struct {
	Range  string   `json:"range"`
	Values [][]Cell `json:"values"`
	By     string   `json:"by"`
}

// RangesUpdated is the output of "update_ranges".
type RangesUpdated struct {
	Ranges []string `json:"ranges"`
	Cells  int      `json:"cells"`
}

func (s service) updateRanges(in UpdateRanges) (RangesUpdated, error) {
	spreadsheet, err := spreadsheetID(in.Spreadsheet)
	if err != nil {
		return RangesUpdated{}, err
	}
	option, err := inputOption(in.Input)
	if err != nil {
		return RangesUpdated{}, err
	}
	if len(in.Ranges) == 0 || len(in.Ranges) > maxRanges {
		return RangesUpdated{}, invalid("ranges: %d of them; give 1 to %d", len(in.Ranges), maxRanges)
	}
	var data []valueRange
	for i, r := range in.Ranges {
		a1, err := plainRange(r.Range)
		if err != nil {
			return RangesUpdated{}, err
		}
		by, err := dimension(r.By)
		if err != nil {
			return RangesUpdated{}, err
		}
		for j, line := range r.Values {
			for k := range line {
				if line[k], err = outgoing(fmt.Sprintf("ranges[%d].values[%d][%d]", i, j, k), line[k], null); err != nil {
					return RangesUpdated{}, err
				}
			}
		}
		if len(r.Values) == 0 {
			return RangesUpdated{}, invalid("ranges[%d].values: there is none", i)
		}
		data = append(data, valueRange{Range: a1, MajorDimension: by[0], Values: r.Values})
	}
	written, err := s.put(spreadsheet, option, data)
	out := RangesUpdated{Ranges: []string{}, Cells: count(written)}
	for _, w := range written {
		out.Ranges = append(out.Ranges, w.UpdatedRange)
	}
	return out, err
}

// Clear is the input of "clear".
type Clear struct {
	Spreadsheet string   `json:"spreadsheet"`
	Ranges      []string `json:"ranges"`
}

// Cleared is the output of "clear".
type Cleared struct {
	Ranges []string `json:"ranges"`
}

// cleared is what Google says of ranges that were cleared.
type cleared struct {
	ClearedRanges []string `json:"clearedRanges"`
}

// Lacks is of [rest.Complete].
func (c cleared) Lacks() string {
	if len(c.ClearedRanges) == 0 {
		return "clearedRanges"
	}
	return ""
}

func (s service) clear(in Clear) (Cleared, error) {
	spreadsheet, err := spreadsheetID(in.Spreadsheet)
	if err != nil {
		return Cleared{}, err
	}
	ranges, err := plainRanges(in.Ranges)
	if err != nil {
		return Cleared{}, err
	}
	var out cleared
	if err := s.call("POST", spreadsheet, "/values:batchClear", nil, map[string]any{"ranges": ranges}, &out); err != nil {
		return Cleared{}, err
	}
	return Cleared{Ranges: out.ClearedRanges}, nil
}
