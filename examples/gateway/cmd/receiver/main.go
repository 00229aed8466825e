// Command receiver is the system that the example's subscription tells of
// orders: it gives tokens that run out, takes deliveries that carry one which
// has not, and checks their signatures. It knows Trama from outside.
//
//	receiver [-addr 127.0.0.1:8162] [-life 1m] -key whsec_...
//
// GET / says what came: {"taken": 2, "again": 0, "expired": 1, "forged": 0,
// "refs": ["A-1", "A-2"]}.
package main

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8162", "where to listen")
	life := flag.Duration("life", time.Minute, "how long a token is good")
	key := flag.String("key", "", "what deliveries are signed with: whsec_ and base64")
	flag.Parse()
	secret, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(*key, "whsec_"))
	if err != nil || len(secret) == 0 {
		fmt.Fprintln(os.Stderr, "receiver: -key: want whsec_ and base64")
		os.Exit(2)
	}
	r := &receiver{life: *life, key: secret, tokens: map[string]time.Time{}, seen: map[string]bool{}}
	http.HandleFunc("POST /token", r.token)
	http.HandleFunc("POST /events", r.event)
	http.HandleFunc("GET /", r.show)
	log.Fatal(http.ListenAndServe(*addr, nil))
}

type receiver struct {
	life time.Duration
	key  []byte

	mu     sync.Mutex
	tokens map[string]time.Time // when each runs out; guarded by mu
	seen   map[string]bool      // ids of deliveries; guarded by mu
	counts counts               // guarded by mu
}

// counts are what came.
type counts struct {
	Taken   int      `json:"taken"`
	Again   int      `json:"again"` // of an id that was taken before
	Expired int      `json:"expired"`
	Forged  int      `json:"forged"`
	Refs    []string `json:"refs"`
}

// token gives a token (RFC 6749, section 4.4).
func (r *receiver) token(w http.ResponseWriter, _ *http.Request) {
	token := rand.Text()
	r.mu.Lock()
	r.tokens[token] = time.Now().Add(r.life)
	r.mu.Unlock()
	write(w, http.StatusOK, map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": int(r.life.Seconds())})
}

// event takes a delivery, as Standard Webhooks has it.
func (r *receiver) event(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(io.LimitReader(q.Body, 1<<20))
	if err != nil {
		return // nobody is there any more
	}
	id, at := q.Header.Get("Webhook-Id"), q.Header.Get("Webhook-Timestamp")
	mac := hmac.New(sha256.New, r.key)
	fmt.Fprintf(mac, "%s.%s.%s", id, at, body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	var event struct {
		Data struct {
			Data struct {
				Ref string `json:"ref"`
			} `json:"data"`
		} `json:"data"`
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case time.Now().After(r.tokens[strings.TrimPrefix(q.Header.Get("Authorization"), "Bearer ")]):
		r.counts.Expired++
		write(w, http.StatusUnauthorized, map[string]any{"error": "the token has run out"})
	case !slices.Contains(strings.Fields(q.Header.Get("Webhook-Signature")), want) || json.Unmarshal(body, &event) != nil:
		r.counts.Forged++
		write(w, http.StatusBadRequest, map[string]any{"error": "not signed with the key"})
	case r.seen[id]:
		r.counts.Again++
		write(w, http.StatusOK, map[string]any{})
	default:
		r.seen[id] = true
		r.counts.Taken++
		r.counts.Refs = append(r.counts.Refs, event.Data.Data.Ref)
		write(w, http.StatusOK, map[string]any{})
	}
}

func (r *receiver) show(w http.ResponseWriter, _ *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	write(w, http.StatusOK, r.counts)
}

func write(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(value); err != nil {
		log.Print(err)
	}
}
