package host

import (
	"context"
	"errors"
	"slices"

	"github.com/trama-run/trama/host/admin"
	"github.com/trama-run/trama/host/catalog"
	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/host/source"
	"github.com/trama-run/trama/host/workspace"
)

// pending is what the last reading of the workspace left out.
type pending struct {
	problems source.Problems
	changes  []catalog.Change
}

// configured says whether files have configured this data directory before.
// Its first start takes the workspace as it is, grants included; a later one
// may be a supervisor's, with nobody there who looked at the files.
func (h *Host) configured() bool {
	for _, origin := range h.catalog.Snapshot().Origins {
		if origin.Kind == "file" {
			return true
		}
	}
	return false
}

// readWorkspace applies the workspace's files. A file with mistakes leaves the
// objects that came from it as they were; what was left out is shown by the
// doctor.
func (h *Host) readWorkspace(ctx context.Context, allowWider bool) error {
	h.reading.Lock()
	defer h.reading.Unlock()
	files, err := workspace.ReadFiles(h.config.Workspace)
	if err != nil {
		return err
	}
	set, problems := workspace.Parse(files)
	problems = append(problems, h.holdMistakes(&set)...)
	problems = append(problems, h.holdCycles(&set)...)
	changes, err := h.catalog.Apply(ctx, set, allowWider)
	if conflict, ok := errors.AsType[source.Problems](err); ok {
		problems, err = append(problems, conflict...), nil
	}
	for _, p := range problems {
		h.config.Log.Error("workspace", "problem", p.Error())
	}
	left := &pending{problems: problems}
	for _, c := range changes {
		if c.Held != "" {
			left.changes = append(left.changes, c)
		}
		attrs := []any{"object", c.Object, "action", c.Action, "origin", c.Origin.String()}
		if c.Held != "" {
			attrs = append(attrs, "held", c.Held)
		}
		h.config.Log.Info("workspace", attrs...)
	}
	h.pending.Store(left)
	if err != nil {
		return err
	}
	return admin.Files(ctx, h.store, h.config.Settings.Audit.For(), h.config.Workspace, changes)
}

// holdMistakes leaves flows out of a set that plugins' manifests contradict: what
// their files gave before stays. At the start the manifests are not read yet, so
// what is published stays until they are.
func (h *Host) holdMistakes(set *catalog.Set) (problems source.Problems) {
	published := h.catalog.Snapshot().Flows
	set.Flows = slices.DeleteFunc(set.Flows, func(f *flow.Flow) bool {
		found, unknown := f.Check(h.operations)
		problems = append(problems, found...)
		_, before := published[f.ID]
		wait := len(found) > 0 || len(unknown) > 0 && before && !h.plugins.Scanned()
		if wait {
			set.Broken = append(set.Broken, f.At.File)
		}
		return wait
	})
	return problems
}

// holdCycles leaves flows out of a set whose jumps to one another can't be:
// what their files gave before stays.
func (h *Host) holdCycles(set *catalog.Set) (problems source.Problems) {
	for {
		found := flow.CheckCalls(set.Flows, h.catalog.Snapshot().Staying(*set))
		if len(found) == 0 {
			return problems
		}
		problems = append(problems, found...)
		for _, p := range found {
			set.Broken = append(set.Broken, p.File)
		}
		set.Flows = slices.DeleteFunc(set.Flows, func(f *flow.Flow) bool { return slices.Contains(set.Broken, f.At.File) })
	}
}

// apply applies files that an operator sent: all of them or, if one has a
// mistake, none.
func (h *Host) apply(ctx context.Context, files workspace.Files) ([]catalog.Change, error) {
	h.reading.Lock()
	defer h.reading.Unlock()
	set, err := h.parse(files)
	if err != nil {
		return nil, err
	}
	changes, err := h.catalog.Apply(ctx, set, true)
	if err == nil {
		h.pending.Store(&pending{})
	}
	return changes, err
}

// plan tells what apply would do.
func (h *Host) plan(ctx context.Context, files workspace.Files) ([]catalog.Change, error) {
	h.reading.Lock()
	defer h.reading.Unlock()
	set, err := h.parse(files)
	if err != nil {
		return nil, err
	}
	return h.catalog.Plan(ctx, set)
}

// parse makes objects of files, or source.Problems of a single mistake.
func (h *Host) parse(files workspace.Files) (catalog.Set, error) {
	set, problems := workspace.Parse(files)
	for _, f := range set.Flows {
		found, _ := f.Check(h.operations)
		problems = append(problems, found...)
	}
	if problems = append(problems, h.holdCycles(&set)...); len(problems) > 0 {
		return set, problems
	}
	return set, nil
}
