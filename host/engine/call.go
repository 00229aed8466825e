package engine

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"time"

	"github.com/trama-run/trama/host/flow"
	"github.com/trama-run/trama/pdk/abi"
)

// Bounds of repeated calls.
const (
	maxBackoff     = time.Hour // pause before a repeated call, unless the other system asks for more
	maxRetryAfter  = 24 * time.Hour
	defaultBackoff = time.Second
)

func (m *move) operation(n *node, c *flow.Operation, step *Step) (string, *abi.Error) {
	input, err := m.expand(c.Input)
	if err != nil {
		return "", err
	}
	step.Input = input
	m.call(n, Call{Plugin: c.Plugin, Operation: c.Operation, Input: input})
	return "", nil
}

func (m *move) runCode(n *node, c *flow.RunCode, step *Step) (string, *abi.Error) {
	input, err := m.or(c.Input, m.run.Input())
	if err != nil {
		return "", err
	}
	step.Input = input
	m.call(n, Call{Plugin: c.Language, Operation: abi.FuncRun, Script: true, Input: map[string]any{
		"code": c.Code, "input": input, "flow": m.object(m.run.Vars), "user": m.object(m.user), "env": m.object(m.event.Env),
	}})
	return "", nil
}

// call stops the run until the result comes.
func (m *move) call(n *node, c Call) {
	c.EffectID = m.effectID()
	c.Node, c.Connection, c.Timeout, c.Attempt = n.ID, n.Connection, time.Duration(n.Timeout), 1
	m.run.Pending, m.run.Status = &c, Running
}

func (m *move) result(r *Result) error {
	n, err := m.at("a result of effect "+strconv.Quote(r.EffectID)+" came", func(run *Run) bool {
		return run.Status == Running && run.Pending != nil && run.Pending.EffectID == r.EffectID
	})
	if err != nil {
		return err
	}
	call := m.run.Pending
	step := m.step(n)
	step.Input, step.EffectID, step.Attempt = call.Input, call.EffectID, call.Attempt
	if call.NotBefore.After(step.Started) {
		step.Started, step.Duration = call.NotBefore, max(m.event.Now.Sub(call.NotBefore), 0)
	}
	if r.Error != nil {
		if n.Retry != nil && r.Error.Retryable && call.Attempt < n.Retry.Attempts {
			step.Error = r.Error
			m.record(step)
			again := *call
			again.NotBefore = m.event.Now.Add(pause(n.Retry, call, r.Error))
			again.Attempt++
			m.run.Pending = &again
			return nil
		}
		m.run.Status = ""
		m.walk(m.fail(step, &Failure{Node: n.ID, Attempt: call.Attempt, Error: *r.Error}))
		return nil
	}
	m.run.Pending, m.run.Status = nil, ""
	step.Output = r.Output
	m.output(n.ID, r.Output)
	m.walk(m.pass(step, flow.PortNext))
	return nil
}

// pause is how long to wait after an attempt that failed: the backoff, doubled
// for each further one, give or take a fifth, so that what failed together is
// not repeated together; or longer, if the other system asks for it.
func pause(retry *flow.Retry, call *Call, err *abi.Error) time.Duration {
	backoff := time.Duration(retry.Backoff)
	if backoff <= 0 {
		backoff = defaultBackoff
	}
	for range call.Attempt - 1 {
		backoff = min(2*backoff, maxBackoff)
	}
	backoff = min(backoff, maxBackoff)
	backoff += time.Duration((chance(call.EffectID, fmt.Sprint(call.Attempt)) - 0.5) * 0.4 * float64(backoff))
	asked := min(err.RetryAfterMillis, maxRetryAfter.Milliseconds())
	// As exact as the clock of runs, or its instant would never be reached by it.
	return max(backoff.Truncate(time.Millisecond), time.Duration(asked)*time.Millisecond)
}

// chance gives a number in [0, 1) that depends on names only.
func chance(names ...string) float64 {
	h := fnv.New64a()
	for _, name := range names {
		fmt.Fprintf(h, "%s\x00", name)
	}
	x := h.Sum64() // FNV's high bits are poor: mix (SplitMix64)
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return float64((x^x>>31)>>11) / (1 << 53)
}
