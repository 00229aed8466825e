// Package telemetry counts what a host does, for Prometheus: requests, runs,
// deliveries, the calls of plugins and what they cost, and how queues, store
// and plugins are.
//
// Names are a contract with dashboards: they begin with trama_, carry their
// unit, and are not changed. Label values come from a bounded set, whatever a
// plugin says of itself. The package must not know who calls what, and holds
// no number that a decision is made from.
package telemetry

import (
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/trama-run/trama/pdk/abi"
)

// Plugin is how one content of a plugin is at the moment.
type Plugin struct {
	Name     string
	State    string // ready, pending, broken or retired
	Loaded   bool   // its code is in memory
	Sessions int    // that began with it, if it is retired
}

// Metrics are the numbers of one host. They may be used from many goroutines.
type Metrics struct {
	registry *prometheus.Registry
	calls    *prometheus.CounterVec
	failures *prometheus.CounterVec
	fuel     *prometheus.CounterVec
	guest    *prometheus.HistogramVec
	memory   *prometheus.GaugeVec
	work     work

	known sync.Map // plugin's name -> *series
}

// series are the numbers of one plugin's calls, looked up once.
type series struct {
	calls, fuel prometheus.Counter
	guest       prometheus.Observer
	memory      prometheus.Gauge
}

// New returns metrics. plugins is asked for each answer to Prometheus.
func New(plugins func() []Plugin) *Metrics {
	label := []string{"plugin"}
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "trama_plugin_calls_total", Help: "Calls of plugins, failed ones included.",
		}, label),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "trama_plugin_failures_total", Help: "Calls of plugins that failed, by the host's code of the error; \"plugin\" stands for all codes of plugins' own.",
		}, []string{"plugin", "code"}),
		fuel: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "trama_plugin_fuel_total", Help: "Work of guest code, in units of about one instruction.",
		}, label),
		guest: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "trama_plugin_guest_seconds", Help: "Time that guest code ran in a call, without waiting for others.",
			Buckets: prometheus.ExponentialBuckets(10e-6, 4, 12), // 10 us to 42 s
		}, label),
		memory: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "trama_plugin_memory_bytes", Help: "Linear memory at the end of the last call.",
		}, label),
	}
	m.registry.MustRegister(m.calls, m.failures, m.fuel, m.guest, m.memory, state{plugins},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.work = newWork(m.registry)
	return m
}

// hostCodes are the codes of errors that the host gives; a plugin may choose
// any other, and as many as it likes.
var hostCodes = []string{
	abi.CodeUnavailable, abi.CodeTimeout, abi.CodeTrap, abi.CodeLimit, abi.CodeBadOutput,
	abi.CodeInvalid, abi.CodeUnknown, abi.CodeUnreachable, abi.CodeDenied, abi.CodeNoSecret,
}

// Called counts one call; code is its error's, or empty.
func (m *Metrics) Called(plugin, code string, fuel int64, guestTime time.Duration, memoryBytes int64) {
	s := m.of(plugin)
	s.calls.Inc()
	if code != "" {
		if !slices.Contains(hostCodes, code) {
			code = "plugin"
		}
		m.failures.WithLabelValues(plugin, code).Inc()
	}
	if guestTime > 0 {
		s.fuel.Add(float64(fuel))
		s.guest.Observe(guestTime.Seconds())
		s.memory.Set(float64(memoryBytes))
	}
}

func (m *Metrics) of(plugin string) *series {
	if s, ok := m.known.Load(plugin); ok {
		return s.(*series)
	}
	s := &series{
		calls: m.calls.WithLabelValues(plugin), fuel: m.fuel.WithLabelValues(plugin),
		guest: m.guest.WithLabelValues(plugin), memory: m.memory.WithLabelValues(plugin),
	}
	m.known.Store(plugin, s)
	return s
}

// Handler answers Prometheus.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// state gives how plugins are.
type state struct{ plugins func() []Plugin }

var _ prometheus.Collector = state{}

var (
	contentsDesc = prometheus.NewDesc("trama_plugin_contents", "Contents of a plugin that the host has, by state: ready, pending, broken or retired.", []string{"plugin", "state"}, nil)
	loadedDesc   = prometheus.NewDesc("trama_plugin_loaded", "Contents of a plugin whose code is in memory.", []string{"plugin"}, nil)
	sessionsDesc = prometheus.NewDesc("trama_plugin_retired_sessions", "Sessions that began with retired contents of a plugin, when they were last counted.", []string{"plugin"}, nil)
)

func (s state) Describe(to chan<- *prometheus.Desc) {
	to <- contentsDesc
	to <- loadedDesc
	to <- sessionsDesc
}

func (s state) Collect(to chan<- prometheus.Metric) {
	type key struct{ name, state string }
	contents := map[key]float64{}
	loaded, sessions := map[string]float64{}, map[string]float64{}
	for _, p := range s.plugins() {
		contents[key{p.Name, p.State}]++
		loaded[p.Name] += 0
		if p.Loaded {
			loaded[p.Name]++
		}
		sessions[p.Name] += float64(p.Sessions)
	}
	for k, n := range contents {
		to <- prometheus.MustNewConstMetric(contentsDesc, prometheus.GaugeValue, n, k.name, k.state)
	}
	for name := range loaded {
		to <- prometheus.MustNewConstMetric(loadedDesc, prometheus.GaugeValue, loaded[name], name)
		to <- prometheus.MustNewConstMetric(sessionsDesc, prometheus.GaugeValue, sessions[name], name)
	}
}
