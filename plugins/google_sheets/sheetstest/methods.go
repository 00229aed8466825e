package sheetstest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/trama-run/trama/plugins/strict"
)

type object = map[string]any

// get is spreadsheets.values.get.
func (s *Sheets) get(b *book, r *strict.Request) (any, error) {
	return b.values(r.Params["range"], r)
}

func (b *book) values(a1 string, r *strict.Request) (any, error) {
	x, err := b.find(a1)
	if err != nil {
		return nil, err
	}
	render := r.Query.Get("valueRenderOption")
	if render == "" {
		render = "FORMATTED_VALUE"
	}
	dimension := r.Query.Get("majorDimension")
	out := object{"range": x.a1(), "majorDimension": "ROWS"}
	if dimension == "COLUMNS" {
		out["majorDimension"] = dimension
	}
	if values := x.read(render, dimension == "COLUMNS"); len(values) > 0 {
		out["values"] = values
	}
	return out, nil
}

func (s *Sheets) batchGet(b *book, r *strict.Request) (any, error) {
	all := []any{}
	for _, a1 := range r.Query["ranges"] {
		one, err := b.values(a1, r)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return object{"spreadsheetId": b.id, "valueRanges": all}, nil
}

// valueRange is a body of values.
type valueRange struct {
	Range          string  `json:"range"`
	MajorDimension string  `json:"majorDimension"`
	Values         [][]any `json:"values"`
}

// put writes one range.
func (b *book) put(in valueRange, option string) (object, error) {
	x, err := b.find(in.Range)
	if err != nil {
		return nil, err
	}
	if x.rowEnd == x.row+1 && x.columnEnd == x.column+1 && !strings.Contains(in.Range[strings.LastIndexByte(in.Range, '!')+1:], ":") {
		x.rowEnd, x.columnEnd = -1, -1 // one cell is where the values begin
	}
	rows, columns, cells, err := x.write(in.Values, option, in.MajorDimension == "COLUMNS")
	return b.updated(x, in, rows, columns, cells), err
}

func (b *book) updated(x block, in valueRange, rows, columns, cells int) object {
	length, width := len(in.Values), 0
	for _, line := range in.Values {
		width = max(width, len(line))
	}
	if in.MajorDimension == "COLUMNS" {
		length, width = width, length
	}
	x.rowEnd, x.columnEnd = x.row+length, x.column+width
	return object{"spreadsheetId": b.id, "updatedRange": x.a1(), "updatedRows": rows, "updatedColumns": columns, "updatedCells": cells}
}

func (s *Sheets) update(b *book, r *strict.Request) (any, error) {
	var in valueRange
	r.Decode(&in)
	if in.Range != "" && in.Range != r.Params["range"] {
		return nil, fail(400, "INVALID_ARGUMENT", fmt.Sprintf("Requested range [%s] does not match value range [%s]", r.Params["range"], in.Range))
	}
	in.Range = r.Params["range"]
	defer s.changed()
	return b.put(in, r.Query.Get("valueInputOption"))
}

// batchUpdateValues writes all ranges or, if one can't be, none.
func (s *Sheets) batchUpdateValues(b *book, r *strict.Request) (any, error) {
	var in struct {
		ValueInputOption string
		Data             []valueRange
	}
	r.Decode(&in)
	before := b.copy()
	all, total := []any{}, 0
	for _, one := range in.Data {
		done, err := b.put(one, in.ValueInputOption)
		if err != nil {
			b.tabs = before
			return nil, err
		}
		all = append(all, done)
		total += done["updatedCells"].(int)
	}
	s.changed()
	return object{"spreadsheetId": b.id, "totalUpdatedCells": total, "responses": all}, nil
}

func (b *book) copy() []*tab {
	var tabs []*tab
	for _, t := range b.tabs {
		other := *t
		other.cells = nil
		for _, row := range t.cells {
			other.cells = append(other.cells, slices.Clone(row))
		}
		tabs = append(tabs, &other)
	}
	return tabs
}

// append is spreadsheets.values.append: below the table that the range has.
//
// Source: https://developers.google.com/workspace/sheets/api/guides/values#append_values
func (s *Sheets) append(b *book, r *strict.Request) (any, error) {
	var in valueRange
	r.Decode(&in)
	a1 := strings.TrimSuffix(r.Params["range"], ":append")
	x, err := b.find(a1)
	if err != nil {
		return nil, err
	}
	table := x.table()
	at := block{tab: x.tab, row: table.rowEnd, column: x.column, rowEnd: -1, columnEnd: -1}
	if r.Query.Get("insertDataOption") == "INSERT_ROWS" {
		x.tab.insert(at.row, len(in.Values))
	}
	for _, row := range in.Values { // what is added at the end makes the grid grow
		x.tab.columns = max(x.tab.columns, at.column+len(row))
	}
	x.tab.rows = max(x.tab.rows, at.row+len(in.Values))
	rows, columns, cells, err := at.write(in.Values, r.Query.Get("valueInputOption"), false)
	if err != nil {
		return nil, err
	}
	s.changed()
	if s.lose {
		s.lose = false
		return nil, fail(500, "INTERNAL", "Internal error encountered.")
	}
	out := object{"spreadsheetId": b.id, "updates": b.updated(at, in, rows, columns, cells)}
	if table.rowEnd > table.row {
		out["tableRange"] = table.a1()
	}
	return out, nil
}

func (s *Sheets) batchClear(b *book, r *strict.Request) (any, error) {
	var in struct{ Ranges []string }
	r.Decode(&in)
	var blocks []block
	cleared := []string{}
	for _, a1 := range in.Ranges {
		x, err := b.find(a1)
		if err != nil {
			return nil, err
		}
		blocks, cleared = append(blocks, x.within()), append(cleared, x.a1())
	}
	for _, x := range blocks {
		for row := x.row; row < min(x.rowEnd, len(x.tab.cells)); row++ {
			for column := x.column; column < min(x.columnEnd, len(x.tab.cells[row])); column++ {
				x.tab.cells[row][column] = nil
			}
		}
	}
	s.changed()
	return object{"spreadsheetId": b.id, "clearedRanges": cleared}, nil
}

func (t *tab) properties(index int) object {
	return object{"sheetId": t.id, "title": t.title, "index": index, "sheetType": "GRID", "gridProperties": object{"rowCount": t.rows, "columnCount": t.columns}}
}

func (s *Sheets) document(b *book, _ *strict.Request) (any, error) {
	sheets := []any{}
	for i, t := range b.tabs {
		sheets = append(sheets, object{"properties": t.properties(i)})
	}
	return object{
		"spreadsheetId": b.id, "spreadsheetUrl": "https://docs.google.com/spreadsheets/d/" + b.id + "/edit",
		"properties": object{"title": b.title, "locale": b.locale, "timeZone": b.zone}, "sheets": sheets,
	}, nil
}

// sheetProperties is what a new sheet may have.
type sheetProperties struct {
	Title string
	Grid  struct{ RowCount, ColumnCount int } `json:"gridProperties"`
}

func (s *Sheets) add(b *book, p sheetProperties) (*tab, error) {
	if p.Title == "" {
		p.Title = fmt.Sprintf("Sheet%d", len(b.tabs)+1)
	}
	if b.tab(p.Title) != nil {
		return nil, fail(400, "INVALID_ARGUMENT", fmt.Sprintf("Invalid requests[0].addSheet: A sheet with the name \"%s\" already exists. Please enter another name.", p.Title))
	}
	t := s.newTab(p.Title)
	if p.Grid.RowCount > 0 {
		t.rows = p.Grid.RowCount
	}
	if p.Grid.ColumnCount > 0 {
		t.columns = p.Grid.ColumnCount
	}
	b.tabs = append(b.tabs, t)
	return t, nil
}

// batchUpdate does all requests or none.
func (s *Sheets) batchUpdate(b *book, r *strict.Request) (any, error) {
	var in struct {
		Requests []struct {
			AddSheet        *struct{ Properties sheetProperties }
			AppendDimension *struct {
				SheetID   int64 `json:"sheetId"`
				Dimension string
				Length    int
			}
		}
	}
	r.Decode(&in)
	before := b.copy()
	replies := []any{}
	for i, one := range in.Requests {
		switch {
		case one.AddSheet != nil:
			t, err := s.add(b, one.AddSheet.Properties)
			if err != nil {
				b.tabs = before
				return nil, err
			}
			replies = append(replies, object{"addSheet": object{"properties": t.properties(len(b.tabs) - 1)}})
		default:
			at := slices.IndexFunc(b.tabs, func(t *tab) bool { return t.id == one.AppendDimension.SheetID })
			if at < 0 {
				b.tabs = before
				return nil, fail(400, "INVALID_ARGUMENT", fmt.Sprintf("Invalid requests[%d].appendDimension: No grid with id: %d", i, one.AppendDimension.SheetID))
			}
			if one.AppendDimension.Dimension == "ROWS" {
				b.tabs[at].rows += one.AppendDimension.Length
			} else {
				b.tabs[at].columns += one.AppendDimension.Length
			}
			replies = append(replies, object{})
		}
	}
	s.changed()
	return object{"spreadsheetId": b.id, "replies": replies}, nil
}

func (s *Sheets) create(_ *book, r *strict.Request) (any, error) {
	var in struct {
		Properties struct{ Title, Locale, TimeZone string }
		Sheets     []struct {
			Properties sheetProperties
			Data       []struct {
				StartRow, StartColumn int
				RowData               []struct {
					Values []struct {
						UserEnteredValue struct {
							StringValue *string
							NumberValue *json.Number
							BoolValue   *bool
						}
					}
				}
			}
		}
	}
	r.Decode(&in)
	s.made++
	b := &book{id: fmt.Sprintf("1InventedSheet%030d", s.made), title: in.Properties.Title, locale: in.Properties.Locale, zone: in.Properties.TimeZone}
	for _, sheet := range in.Sheets {
		t, err := s.add(b, sheet.Properties)
		if err != nil {
			return nil, err
		}
		for _, data := range sheet.Data {
			for i, row := range data.RowData {
				for j, cell := range row.Values {
					switch v := cell.UserEnteredValue; {
					case v.StringValue != nil:
						t.set(data.StartRow+i, data.StartColumn+j, *v.StringValue)
					case v.NumberValue != nil:
						t.set(data.StartRow+i, data.StartColumn+j, *v.NumberValue)
					case v.BoolValue != nil:
						t.set(data.StartRow+i, data.StartColumn+j, *v.BoolValue)
					}
				}
			}
		}
	}
	if len(b.tabs) == 0 {
		b.tabs = []*tab{s.newTab("Sheet1")}
	}
	s.books[b.id] = b
	s.changed()
	return s.document(b, r)
}
