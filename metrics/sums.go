package metrics

import "github.com/prometheus/client_golang/prometheus"

// A metric is one name with its labels.
type metric struct {
	name, help string
	labels     []string
	kind       prometheus.ValueType
	desc       *prometheus.Desc
}

// all are the metrics that there are.
var all []*metric

func newMetric(kind prometheus.ValueType, name, help string, labels []string) *metric {
	m := &metric{"tlaunch_" + name, help, labels, kind, prometheus.NewDesc("tlaunch_"+name, help, labels, nil)}
	all = append(all, m)
	return m
}

func gauge(name, help string, labels ...string) *metric {
	return newMetric(prometheus.GaugeValue, name, help, labels)
}

func counter(name, help string, labels ...string) *metric {
	return newMetric(prometheus.CounterValue, name, help, labels)
}

// series is one line of a scrape: no metric has more than two labels.
type series struct {
	metric *metric
	labels [2]string
}

// sums are the values of a scrape. Several that share their labels are one.
type sums map[series]float64

func (s sums) add(m *metric, value float64, labels ...string) {
	k := series{metric: m}
	copy(k.labels[:], labels)
	s[k] += value
}

// set is add for a value of which the last counts.
func (s sums) set(m *metric, value float64, label string) {
	s[series{m, [2]string{label}}] = value
}

func (s sums) send(ch chan<- prometheus.Metric) {
	for k, value := range s {
		ch <- prometheus.MustNewConstMetric(k.metric.desc, k.metric.kind, value, k.labels[:len(k.metric.labels)]...)
	}
}
