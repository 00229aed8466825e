package telemetry

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// work are the numbers of what comes in, runs and goes out.
type work struct {
	requests   *prometheus.CounterVec
	seconds    *prometheus.HistogramVec
	webhooks   *prometheus.CounterVec
	runs       *prometheus.CounterVec
	runSeconds *prometheus.HistogramVec
	deliveries *prometheus.CounterVec
	commits    prometheus.Histogram
	failed     *prometheus.CounterVec
}

// none is the label of what has no name: a request to no route, to no channel.
const none = "none"

func newWork(r *prometheus.Registry) work {
	w := work{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "trama_requests_total", Help: "Requests of the gateway by route and class of the answer's status; \"none\" stands for all that met no route.",
		}, []string{"route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "trama_request_seconds", Help: "Time to the answer of a request, by route.",
			Buckets: prometheus.ExponentialBuckets(0.00025, 4, 10), // 0.25 ms to 65 s
		}, []string{"route"}),
		webhooks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "trama_webhooks_total", Help: "Webhook requests by channel, class of the answer's status and code: taken, duplicate, challenge, or that of the refusal, such as signature or replayed. \"none\" stands for all that met no channel, or were refused before it.",
		}, []string{"channel", "status", "code"}),
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "trama_runs_total", Help: "Runs that are over, by flow and result: done, failed or cancelled.",
		}, []string{"flow", "result"}),
		runSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "trama_run_seconds", Help: "Time from a run's start to its end, waiting for people included, by flow.",
			Buckets: prometheus.ExponentialBuckets(0.001, 8, 9), // 1 ms to 4.6 hours
		}, []string{"flow"}),
		deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "trama_delivery_attempts_total", Help: "Tries to send an item of an outbox, by lane (message, alert or subscription) and result: sent, again (to be tried again), held (nothing was tried) or dead (a dead letter).",
		}, []string{"lane", "result"}),
		commits: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "trama_store_commit_seconds", Help: "Time of a commit to the store, waiting in line and the disk's sync included.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 4, 9), // 0.1 ms to 6.5 s
		}),
		failed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "trama_store_failures_total", Help: "Commits that failed, by reason: no_space, unknown or other. Conflicts are no failures.",
		}, []string{"reason"}),
	}
	r.MustRegister(w.requests, w.seconds, w.webhooks, w.runs, w.runSeconds, w.deliveries, w.commits, w.failed)
	return w
}

// class gives "2xx" for 200; there are few.
func class(status int) string {
	if status < 100 || status > 599 {
		return none
	}
	return strconv.Itoa(status/100) + "xx"
}

func named(name string) string {
	if name == "" {
		return none
	}
	return name
}

// Requested counts a request of the gateway. route is the name of one that is
// configured, or "".
func (m *Metrics) Requested(route string, status int, took time.Duration) {
	m.work.requests.WithLabelValues(named(route), class(status)).Inc()
	m.work.seconds.WithLabelValues(named(route)).Observe(took.Seconds())
}

// Hooked counts a webhook request. channel is one that is configured, or "";
// code is one of few words for what became of it, or "".
func (m *Metrics) Hooked(channel, code string, status int) {
	m.work.webhooks.WithLabelValues(named(channel), class(status), named(code)).Inc()
}

// Ran counts a run that is over.
func (m *Metrics) Ran(flow, result string, took time.Duration) {
	m.work.runs.WithLabelValues(flow, result).Inc()
	m.work.runSeconds.WithLabelValues(flow).Observe(took.Seconds())
}

// Delivered counts a try to send an item of a lane.
func (m *Metrics) Delivered(lane, result string) {
	m.work.deliveries.WithLabelValues(lane, result).Inc()
}

// Committed counts a commit to the store; reason is empty if it did not fail.
func (m *Metrics) Committed(took time.Duration, reason string) {
	m.work.commits.Observe(took.Seconds())
	if reason != "" {
		m.work.failed.WithLabelValues(reason).Inc()
	}
}

// Queue is how the queues of one kind are at the moment.
type Queue struct {
	Name    string        // intake, contact, message, alert, subscription, run, schedule…
	Waiting int           // keys with work that is due or will be
	Due     int           // those whose work is due now
	Age     time.Duration // how long the one that is due longest has been so
}

// Condition is how a host is at the moment, for Prometheus.
type Condition struct {
	Queues      []Queue
	Breakers    map[string]int // endpoints by state of their breaker
	Open        []string       // endpoints whose breaker is not closed, a few at most
	DeadLetters int
	DiskFree    int64 // bytes; -1: not known
	CallsLost   int64 // calls left out of the call log
	RunsLost    int64 // runs that left no record
	LockedOut   int   // addresses
}

// Watch adds how the host is; the function is asked for each answer to
// Prometheus.
func (m *Metrics) Watch(condition func() Condition) { m.registry.MustRegister(watching{condition}) }

type watching struct{ condition func() Condition }

var _ prometheus.Collector = watching{}

var (
	waitingDesc  = prometheus.NewDesc("trama_queue_waiting", "Keys with work that is due now or later, by kind of work. Counted to 10,000 of a kind.", []string{"queue"}, nil)
	dueDesc      = prometheus.NewDesc("trama_queue_due", "Keys whose work is due and not done. Counted to 10,000 of a kind.", []string{"queue"}, nil)
	ageDesc      = prometheus.NewDesc("trama_queue_age_seconds", "How long the key that is due longest has been so: that much behind is the host.", []string{"queue"}, nil)
	breakersDesc = prometheus.NewDesc("trama_breakers", "Endpoints of the outboxes, by state of their breaker: closed, open or half-open.", []string{"state"}, nil)
	openDesc     = prometheus.NewDesc("trama_breaker_open", "1 for each endpoint whose breaker is not closed; a hundred at most.", []string{"endpoint"}, nil)
	deadDesc     = prometheus.NewDesc("trama_dead_letters", "Dead letters that nobody has put back or given up. Counted to 10,000.", nil, nil)
	diskDesc     = prometheus.NewDesc("trama_store_free_bytes", "Free space of the volume of the data directory.", nil, nil)
	callsDesc    = prometheus.NewDesc("trama_call_log_dropped_total", "Calls that were left out of the call log, under load or because they could not be stored.", nil, nil)
	lockedDesc   = prometheus.NewDesc("trama_locked_out_addresses", "Addresses that too many wrong credentials came from, and that are locked out for a minute.", nil, nil)
	recordsDesc  = prometheus.NewDesc("trama_run_records_dropped_total", "Runs without effects whose records were left out, under load.", nil, nil)
)

func (w watching) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{waitingDesc, dueDesc, ageDesc, breakersDesc, openDesc, deadDesc, diskDesc, callsDesc, recordsDesc, lockedDesc} {
		to <- d
	}
}

func (w watching) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	c := w.condition()
	for _, q := range c.Queues {
		gauge(waitingDesc, float64(q.Waiting), q.Name)
		gauge(dueDesc, float64(q.Due), q.Name)
		gauge(ageDesc, q.Age.Seconds(), q.Name)
	}
	for state, n := range c.Breakers {
		gauge(breakersDesc, float64(n), state)
	}
	for _, endpoint := range c.Open {
		gauge(openDesc, 1, endpoint)
	}
	gauge(deadDesc, float64(c.DeadLetters))
	gauge(lockedDesc, float64(c.LockedOut))
	if c.DiskFree >= 0 {
		gauge(diskDesc, float64(c.DiskFree))
	}
	to <- prometheus.MustNewConstMetric(callsDesc, prometheus.CounterValue, float64(c.CallsLost))
	to <- prometheus.MustNewConstMetric(recordsDesc, prometheus.CounterValue, float64(c.RunsLost))
}
