package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/trama-run/trama/examples/quickstart/standin"
)

// What the flow welcome says.
const (
	question = "Welcome! What is your name?"
	greeting = "Nice to meet you, %s. How can we help?"
	hours    = "We are open from 8 to 18, %s."
)

// messageLimit is how long a message may take, a restart and the loading of
// code not included.
const messageLimit = 30 * time.Second

// talks plays the second job: conversations on WhatsApp.
func (s *stage) talks(ctx context.Context) {
	s.person = examplePhone
	s.handshake(ctx)
	s.forged(ctx)
	s.conversation(ctx)
	for i, name := range []string{"{{secret:wa_token}}", "{{ env.CURRENCY }}"} {
		s.scene("A person whose name is " + name)
		phone := fmt.Sprintf("551190000000%d", i+1)
		s.check("gets exactly that back", s.namesake(ctx, phone, name))
	}
	s.scene("What arrived in all")
	s.check("each message once, but for the send that was cut short", s.tally(ctx))
}

func (s *stage) handshake(ctx context.Context) {
	s.scene("Meta checks the webhook's address")
	for _, h := range []struct {
		what, token string
		status      int
	}{{"the right token", s.secrets["wa_verify"], 200}, {"another token", "guessed", 403}} {
		query := url.Values{"hub.mode": {"subscribe"}, "hub.verify_token": {h.token}, "hub.challenge": {"1158201444"}}
		e := &exchange{method: "GET", path: "/hooks/wa?" + query.Encode()}
		err := s.fetch(ctx, e)
		s.say("GET /hooks/wa  hub.mode=subscribe hub.challenge=1158201444, %s", h.what)
		s.say("%d %s", e.status, short(e.answer))
		if h.status == 200 {
			err = errors.Join(err, same("the answer", string(e.answer), "1158201444"))
		}
		s.check(fmt.Sprintf("%d", h.status), errors.Join(err, same("status", e.status, h.status)))
	}
}

func (s *stage) forged(ctx context.Context) {
	s.scene("A webhook with a wrong signature")
	e, err := s.webhook("5511900000009", "oi")
	if err == nil {
		e.body = []byte(strings.Replace(string(e.body), `"oi"`, `"OI"`, 1))
		err = s.send(ctx, e)
	}
	if err == nil {
		err = e.problem(401, "signature")
	}
	s.check("401 as problem details", err)
	s.check("no run began", s.none(ctx, "5511900000009"))
}

// none is an error if a contact has a run.
func (s *stage) none(ctx context.Context, phone string) error {
	runs, err := s.runsOf(ctx, phone)
	return errors.Join(err, same("number of runs", len(runs), 0))
}

// conversation plays two turns, with the host killed before it has read the
// first message, while it waits for the second, and while it sends an answer.
func (s *stage) conversation(ctx context.Context) {
	s.scene("A conversation of two turns; the host is killed three times")
	fail := func(err error) { s.check("the conversation comes to its end", err) }
	hello, asked, err := s.firstTurn(ctx)
	for _, other := range []string{"5511987654322", "5511987654323"} {
		if !errors.Is(err, errLate) {
			break
		}
		s.say("%v; again, with another person", err)
		s.late, s.person = append(s.late, s.person), other
		hello, asked, err = s.firstTurn(ctx)
	}
	if err != nil {
		fail(err)
		return
	}
	reply, err := s.secondTurn(ctx, asked)
	if err != nil {
		fail(err)
		return
	}
	s.check("the conversation comes to its end", s.pressed(ctx))

	s.scene("The same webhooks again")
	for _, again := range []*exchange{hello, reply} {
		err = errors.Join(err, s.send(ctx, again), same("status", again.status, 200))
	}
	s.check("200 each; what they do is counted below", err)
}

// errLate: the host was quick to read, or we were slow to kill it.
var errLate = errors.New("the kill came too late: the run had begun")

// firstTurn says hello, with a SIGKILL right after the host's 200. It returns
// when the question was asked and the host was killed once more.
func (s *stage) firstTurn(ctx context.Context) (hello *exchange, asked runInfo, err error) {
	if hello, err = s.webhook(s.person, "oi"); err != nil {
		return hello, asked, err
	}
	err = s.post(ctx, hello)
	killed := s.kill()
	s.say("%d %s, and SIGKILL at once", hello.status, short(hello.answer))
	if err := errors.Join(err, same("status", hello.status, 200)); err != nil {
		return hello, asked, err
	}
	if err := s.restart(ctx); err != nil {
		return hello, asked, err
	}
	if asked, err = s.runOf(ctx, s.person, "waiting"); err != nil {
		return hello, asked, err
	}
	if asked.Started.Before(killed) {
		return hello, asked, errLate
	}
	if _, err := s.arrives(ctx, s.person, 1, question, nil); err != nil {
		return hello, asked, err
	}
	s.steps(asked)
	s.say("the run began %s after the kill, so nothing had read the message; now it waits", asked.Started.Sub(killed).Round(time.Millisecond))

	s.kill()
	s.say("SIGKILL while it waits for the reply")
	if err := s.restart(ctx); err != nil {
		return hello, asked, err
	}
	still, err := s.runOf(ctx, s.person, "waiting")
	return hello, asked, errors.Join(err, same("the run that waits", still.ID, asked.ID))
}

// secondTurn gives the name, with a SIGKILL while the answer is being sent:
// the Graph API has it, and the host has no answer.
func (s *stage) secondTurn(ctx context.Context, asked runInfo) (*exchange, error) {
	const name = "Ana Clara"
	buttons := []standin.Button{{ID: "hours", Title: "Opening hours"}, {ID: "order", Title: "My order"}}
	reply, err := s.webhook(s.person, name)
	if err != nil {
		return reply, err
	}
	s.graph.Hold()
	defer s.graph.Release()
	if err := errors.Join(s.send(ctx, reply), same("status", reply.status, 200)); err != nil {
		return reply, err
	}
	first, err := s.arrives(ctx, s.person, 2, fmt.Sprintf(greeting, name), buttons)
	if err != nil {
		return reply, err
	}
	s.kill()
	s.graph.Release()
	s.say("SIGKILL while the Graph API has the message and the host no answer")
	if err := s.restart(ctx); err != nil {
		return reply, err
	}
	second, err := s.arrives(ctx, s.person, 3, fmt.Sprintf(greeting, name), buttons)
	if err != nil {
		return reply, err
	}
	s.check("the message came again, with the same effect id", errors.Join(
		same("effect id", second.Callback, first.Callback), notEmpty("effect id", first.Callback)))
	done, err := s.admin.ended(ctx, asked.ID)
	if err != nil {
		return reply, err
	}
	s.steps(done)
	return reply, errors.Join(same("status of the run", done.Status, "done"),
		same("nodes", done.path(), []string{"pressed", "ask", "answer", "remember", "greet", "done"}))
}

func notEmpty(what, text string) error {
	if text == "" {
		return errors.New("the " + what + " is empty")
	}
	return nil
}

// pressed presses a button of the greeting.
func (s *stage) pressed(ctx context.Context) error {
	body, err := s.buttonMessage(s.person)
	if err != nil {
		return err
	}
	e := s.signed(body, "presses [Opening hours]")
	if err := errors.Join(s.send(ctx, e), same("status", e.status, 200)); err != nil {
		return err
	}
	_, err = s.arrives(ctx, s.person, 4, fmt.Sprintf(hours, "Ana Clara"), nil)
	return err
}

// namesake lets a person with a peculiar name have a conversation.
func (s *stage) namesake(ctx context.Context, phone, name string) error {
	wants := []string{question, fmt.Sprintf(greeting, name)}
	for i, text := range []string{"oi", name} {
		e, err := s.webhook(phone, text)
		if err != nil {
			return err
		}
		if err := errors.Join(s.send(ctx, e), same("status", e.status, 200)); err != nil {
			return err
		}
		var buttons []standin.Button
		if i == 1 {
			buttons = []standin.Button{{ID: "hours", Title: "Opening hours"}, {ID: "order", Title: "My order"}}
		}
		if _, err := s.arrives(ctx, phone, i+1, wants[i], buttons); err != nil {
			return err
		}
		// The next message must find the run waiting.
		if _, err := s.runOf(ctx, phone, []string{"waiting", "done"}[i]); err != nil {
			return err
		}
	}
	return nil
}

// tally checks everything that the Graph API got, and that the conversation
// made two runs: one that asked for the name, one for the pressed button.
func (s *stage) tally(ctx context.Context) error {
	runs, err := s.runsOf(ctx, s.person)
	byPhone := map[string]int{}
	effects := map[string]bool{}
	for _, send := range s.graph.Sends() {
		byPhone[send.To]++
		effects[send.Callback] = true
	}
	want := map[string]int{s.person: 4, "5511900000001": 2, "5511900000002": 2}
	for _, phone := range s.late {
		want[phone] = byPhone[phone] // a question or two: the kill may have cut its send short
	}
	return errors.Join(err,
		same("runs of "+s.person, len(runs), 2),
		same("number of messages", byPhone, want),
		same("number of effect ids", len(effects), 7+len(s.late)),
		same("failures", s.graph.Failures(), []string(nil)))
}

// webhook is an exchange that delivers a text message, signed.
func (s *stage) webhook(phone, text string) (*exchange, error) {
	body, err := s.textMessage(phone, text)
	if err != nil {
		return nil, err
	}
	return s.signed(body, fmt.Sprintf("writes %q", text)), nil
}

func (s *stage) signed(body []byte, shown string) *exchange {
	return &exchange{
		method: "POST", path: "/hooks/wa", body: body, shown: shown,
		headers: map[string]string{"Content-Type": "application/json", "X-Hub-Signature-256": s.signature(body)},
	}
}

// arrives waits until a contact has got n messages, and checks the last one.
func (s *stage) arrives(ctx context.Context, phone string, n int, text string, buttons []standin.Button) (standin.Send, error) {
	var got []standin.Send
	err := waitFor(ctx, messageLimit, fmt.Sprintf("message %d to %s (%q)", n, phone, text), func() (bool, error) {
		got = got[:0]
		for _, send := range s.graph.Sends() {
			if send.To == phone {
				got = append(got, send)
			}
		}
		if failures := s.graph.Failures(); len(failures) > 0 {
			return false, fmt.Errorf("the Graph API refused requests: %s", strings.Join(failures, "; "))
		}
		return len(got) >= n, nil
	})
	if err != nil {
		return standin.Send{}, err
	}
	last := got[len(got)-1]
	s.say("  whatsapp to %s: %s", last.To, last.Shown())
	return last, errors.Join(same("number of messages", len(got), n), same("text", last.Text, text), same("buttons", last.Buttons, buttons))
}

// runsOf lists the ids of a contact's runs, newest first.
func (s *stage) runsOf(ctx context.Context, phone string) ([]runInfo, error) {
	ids, err := s.admin.runIDs(ctx, "&flow=welcome")
	if err != nil {
		return nil, err
	}
	var runs []runInfo
	for _, id := range ids {
		r, err := s.admin.run(ctx, id)
		if err != nil {
			return nil, err
		}
		if strings.HasSuffix(r.Key, ":"+phone) {
			runs = append(runs, r)
		}
	}
	return runs, nil
}

// runOf waits until a contact's newest run has a status, and the messages
// that it sent have their answers.
func (s *stage) runOf(ctx context.Context, phone, status string) (runInfo, error) {
	var r runInfo
	err := waitFor(ctx, messageLimit, fmt.Sprintf("the run of %s to be %s, its messages sent", phone, status), func() (bool, error) {
		runs, err := s.runsOf(ctx, phone)
		if err != nil || len(runs) == 0 {
			return false, err
		}
		r = runs[0]
		for _, step := range r.Steps {
			if step.Type == "send_message" && r.Deliveries[step.EffectID].State != "sent" {
				return false, fmt.Errorf("delivery of %s is %q", step.EffectID, r.Deliveries[step.EffectID].State)
			}
		}
		return r.Status == status, fmt.Errorf("it is %s", r.Status)
	})
	return r, err
}

// kill ends the host as a crash would, and says when.
func (s *stage) kill() time.Time {
	s.child.kill()
	return time.Now()
}
