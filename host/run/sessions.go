package run

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/trama-run/trama/host/engine"
)

// SessionInfo is a stored session: what waits, sleeps, or is to go on.
type SessionInfo struct {
	// Key is "contact:<key of the contact>", or "run:<id>" of a run without
	// one.
	Key string `json:"key"`
	Standing
	Made time.Time `json:"made,omitzero"`
	// Flows are the versions that it ends on, by flow.
	Flows map[string]int `json:"flows"`
}

// Sessions lists up to max sessions in the order of their keys, after a key.
func (r *Runner) Sessions(ctx context.Context, after string, max int) ([]SessionInfo, error) {
	records, err := r.config.Store.List(ctx, kindSession, after, max, false)
	if err != nil {
		return nil, fmt.Errorf("read the sessions: %w", err)
	}
	list := make([]SessionInfo, len(records))
	for i, record := range records {
		var s session
		if err := json.Unmarshal(record.Value, &s); err != nil {
			return nil, fmt.Errorf("session %s: %w", record.ID.Key, err)
		}
		list[i] = SessionInfo{Key: record.ID.Key, Standing: s.standing(), Made: s.Made, Flows: s.Flows}
	}
	return list, nil
}

// standing says where a session stands.
func (s *session) standing() Standing {
	if s.Begin != nil { // it has not begun
		return Standing{Run: s.ID, Flow: s.Run.Flow, Version: s.Run.Version, Status: engine.Waiting}
	}
	at := s.Position()
	return Standing{
		Run: s.ID, Flow: at.Flow, Version: at.Version, Node: at.Node, Status: forPeople(at.Status),
		Listens: s.Listens(), Due: s.Due(),
	}
}
