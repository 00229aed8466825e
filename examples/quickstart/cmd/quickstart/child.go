package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// How long the child is waited for. A first start compiles every plugin.
const (
	startLimit = 4 * time.Minute
	stopLimit  = 30 * time.Second
)

// child is one `trama serve`.
type child struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed once the process is gone
}

// start starts the host on a workspace. Its log goes to log. The process has
// a group of its own, so that a Ctrl-C reaches only us, and it once.
func (w *world) start(workspace string, log io.Writer, args ...string) (*child, error) {
	cmd := exec.Command(w.trama, append([]string{"serve", "--workspace", workspace}, args...)...)
	cmd.Env, cmd.Stdout, cmd.Stderr = w.environ(), log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &child{cmd: cmd, ended: make(chan struct{})}
	go func() {
		cmd.Wait() //nolint:errcheck // ProcessState tells it
		close(c.ended)
	}()
	return c, nil
}

// ready waits until the host at an admin address takes work.
func (c *child) ready(ctx context.Context, adminAddr string) error {
	client := http.Client{Timeout: 5 * time.Second}
	err := waitFor(ctx, startLimit, "trama to be ready", func() (bool, error) {
		select {
		case <-c.ended:
			return true, nil
		default:
		}
		response, err := client.Get("http://" + adminAddr + "/readyz")
		if err != nil {
			return false, err
		}
		defer response.Body.Close()
		return response.StatusCode == http.StatusOK, nil
	})
	select {
	case <-c.ended:
		return fmt.Errorf("trama ended at its start: %s", c.cmd.ProcessState)
	default:
		return err
	}
}

// kill ends the host as a crash would (SIGKILL), and waits until it is gone.
func (c *child) kill() {
	c.cmd.Process.Kill() //nolint:errcheck // it may be gone already
	<-c.ended
}

// stop asks the host to stop (SIGTERM) and returns its exit code.
func (c *child) stop() (int, error) {
	c.cmd.Process.Signal(syscall.SIGTERM) //nolint:errcheck // it may be gone already
	select {
	case <-c.ended:
		return c.cmd.ProcessState.ExitCode(), nil
	case <-time.After(stopLimit):
		c.kill()
		return 1, fmt.Errorf("trama did not stop within %s", stopLimit)
	}
}

// logBuffer keeps what children wrote.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// admin is a client of the admin API, with the token of a data directory.
type admin struct {
	addr   string
	data   string
	client *http.Client
}

// get reads a path of the API as it comes.
func (a admin) get(ctx context.Context, path string) ([]byte, error) {
	token, err := os.ReadFile(filepath.Join(a.data, "admin.token"))
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+a.addr+path, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	response, err := a.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s %s", path, response.Status, body)
	}
	return body, err
}

// runInfo is a run as the admin API shows it, as far as it is used here.
type runInfo struct {
	ID         string    `json:"id"`
	Flow       string    `json:"flow"`
	Key        string    `json:"key"`
	Status     string    `json:"status"`
	Started    time.Time `json:"started"`
	Steps      []step    `json:"steps"`
	Deliveries map[string]struct {
		State string `json:"state"`
	} `json:"deliveries"`
}

type step struct {
	Node     string        `json:"node"`
	Type     string        `json:"type"`
	Port     string        `json:"port"`
	EffectID string        `json:"effect_id"`
	Duration time.Duration `json:"duration"` // nanoseconds
	Error    *struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// run reads one run.
func (a admin) run(ctx context.Context, id string) (runInfo, error) {
	var r runInfo
	body, err := a.get(ctx, "/v1/runs/"+id)
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(body, &r)
}

// runIDs lists the runs, newest first. query narrows the list.
func (a admin) runIDs(ctx context.Context, query string) ([]string, error) {
	var list []struct {
		ID string `json:"id"`
	}
	body, err := a.get(ctx, "/v1/runs?limit=500"+query)
	if err != nil {
		return nil, err
	}
	ids := make([]string, 0, len(list))
	err = json.Unmarshal(body, &list)
	for _, r := range list {
		ids = append(ids, r.ID)
	}
	return ids, err
}

// ended waits for the end of a run, whose record may follow its answer.
func (a admin) ended(ctx context.Context, id string) (r runInfo, err error) {
	if id == "" {
		return r, errors.New("the answer names no run")
	}
	err = waitFor(ctx, 10*time.Second, "the record of run "+id, func() (bool, error) {
		var err error
		r, err = a.run(ctx, id)
		return err == nil && (r.Status == "done" || r.Status == "failed"), err
	})
	return r, err
}
