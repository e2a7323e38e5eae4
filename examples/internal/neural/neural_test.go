package neural

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

func batch(r *rand.Rand, rows, cols int) Matrix {
	m := NewMatrix(rows, cols)
	for i := range m.Data {
		m.Data[i] = float32(r.NormFloat64())
	}
	return m
}

// A dense layer and a ReLU, worked out by hand.
func TestForwardAndBackward(t *testing.T) {
	d := NewDense(random(1), 2, 2)
	net := New(d, &ReLU{})
	copy(d.weight.Value, []float32{1, -2, 3, 4}) // rows of inputs
	copy(d.bias.Value, []float32{0.5, 1})
	x := Matrix{Rows: 2, Cols: 2, Stride: 2, Data: []float32{1, 2, 3, -1}}

	y := net.Forward(x)
	require.Equal(t, []float32{7.5, 7, 0.5, 0}, y.Data) // the last is -9 before the ReLU

	net.Backward(Matrix{Rows: 2, Cols: 2, Stride: 2, Data: []float32{1, 10, 100, 1000}})
	require.Equal(t, []float32{301, 10, -98, 20}, d.weight.Grad)
	require.Equal(t, []float32{101, 10}, d.bias.Grad)
}

// Gradients are those that differences of the loss show.
func TestGradients(t *testing.T) {
	r := random(2)
	net := NewMLP(r, 5, 8, 7, 3)
	x := batch(r, 6, 5)
	labels := []int{0, 1, 2, 2, 1, 0}
	grad := NewMatrix(6, 3)
	loss := func() float64 {
		l, _ := SoftmaxCrossEntropy(net.Forward(x), labels, grad)
		return l
	}
	loss()
	net.ZeroGrads()
	net.Backward(grad)
	analytic := slices.Clone(net.Grads())
	const step = 1e-3
	for i := range net.Values() {
		before := net.Values()[i]
		net.Values()[i] = before + step
		above := loss()
		net.Values()[i] = before - step
		below := loss()
		net.Values()[i] = before
		require.InDelta(t, (above-below)/(2*step), analytic[i], 3e-3, "parameter %d", i)
	}
}

func TestGradientsAddUp(t *testing.T) {
	r := random(3)
	net := NewMLP(r, 3, 4, 2)
	x, dy := batch(r, 5, 3), batch(r, 5, 2)
	net.Forward(x)
	net.Backward(Matrix{Rows: 5, Cols: 2, Stride: 2, Data: slices.Clone(dy.Data)})
	once := slices.Clone(net.Grads())
	net.Backward(dy)
	for i, g := range net.Grads() {
		require.InDelta(t, 2*once[i], g, 1e-5)
	}
	net.ZeroGrads()
	require.Equal(t, make([]float32, len(once)), net.Grads())
}

func TestParams(t *testing.T) {
	net := NewMLP(random(4), 3, 4, 2)
	var names []string
	at := 0
	for _, p := range net.Params() {
		names = append(names, p.Name)
		require.Same(t, &net.Values()[at], &p.Value[0])
		require.Same(t, &net.Grads()[at], &p.Grad[0])
		at += len(p.Value)
	}
	require.Equal(t, []string{"0.weight", "0.bias", "2.weight", "2.bias"}, names)
	require.Equal(t, []int{4, 2}, net.Params()[2].Shape)
	require.Len(t, net.Values(), at)
	bound := float32(math.Sqrt(6.0 / 3))
	require.LessOrEqual(t, slices.Max(net.Params()[0].Value), bound)
	require.Greater(t, slices.Max(net.Params()[0].Value), bound/2)
	require.Equal(t, make([]float32, 4), net.Params()[1].Value)
}

// The first steps of algorithm 1, with numbers worked out by hand: after t equal gradients both corrected means are those of the gradient.
func TestAdam(t *testing.T) {
	a := Adam{Rate: 0.1}
	values := []float32{1, 1, 1}
	for n := 1; n <= 3; n++ {
		a.Update(values, []float32{4, -0.25, 0})
		require.InDeltaSlice(t, []float32{1 - 0.1*float32(n), 1 + 0.1*float32(n), 1}, values, 1e-5)
	}
	require.Equal(t, 3, a.Steps)
	// m = 0.1·(0.9·1 − 3), v = 0.001·(0.999·1 + 9), corrected by 1 − 0.9² and 1 − 0.999².
	a = Adam{Rate: 1}
	values = []float32{0}
	a.Update(values, []float32{1})
	a.Update(values, []float32{-3})
	m, v := 0.1*(0.9-3)/(1-0.81), 0.001*(0.999+9)/(1-0.998001)
	require.InDelta(t, -1-m/math.Sqrt(v), values[0], 1e-4)
}

func TestAdamClips(t *testing.T) {
	a, b := Adam{Clip: 5}, Adam{}
	x, y := []float32{0, 0}, []float32{0, 0}
	a.Update(x, []float32{30, 40})
	b.Update(y, []float32{3, 4})
	require.Equal(t, b.Mean, a.Mean)
	a.Update(x, []float32{0.3, 0.4})
	b.Update(y, []float32{0.3, 0.4})
	require.Equal(t, b.Mean, a.Mean)
}

func TestHuber(t *testing.T) {
	for _, c := range []struct{ d, loss, grad float32 }{{0, 0, 0}, {0.5, 0.125, 0.5}, {-1, 0.5, -1}, {3, 2.5, 1}, {-3, 2.5, -1}} {
		loss, grad := Huber(c.d)
		require.Equal(t, c.loss, loss)
		require.Equal(t, c.grad, grad)
	}
}

func TestSoftmaxCrossEntropy(t *testing.T) {
	logits := Matrix{Rows: 2, Cols: 4, Stride: 4, Data: []float32{2, 2, 2, 2, 1000, 0, 0, -1000}}
	loss, right := SoftmaxCrossEntropy(logits, []int{1, 0}, logits) // in its own memory; the second row is certain, and does not overflow
	require.InDelta(t, math.Log(4)/2, loss, 1e-6)
	require.Equal(t, 1, right) // of equal values the first is taken
	require.InDeltaSlice(t, []float32{0.125, -0.375, 0.125, 0.125, 0, 0, 0, 0}, logits.Data, 1e-6)
}

// train teaches a network which of two rings around the origin a point is on.
func train(t *testing.T, wide int) (*Network, float64) {
	t.Helper()
	r := random(5)
	net, adam := NewMLP(r, 2, wide, wide, 2), Adam{Rate: 0.01}
	x, grad, labels := NewMatrix(64, 2), NewMatrix(64, 2), make([]int, 64)
	right := 0
	for range 200 {
		for i := range labels {
			labels[i] = r.IntN(2)
			angle, radius := 2*math.Pi*r.Float64(), 1+float64(labels[i])+0.2*r.NormFloat64()
			copy(Row(x, i), []float32{float32(radius * math.Cos(angle)), float32(radius * math.Sin(angle))})
		}
		_, right = SoftmaxCrossEntropy(net.Forward(x), labels, grad)
		net.ZeroGrads()
		net.Backward(grad)
		adam.Update(net.Values(), net.Grads())
	}
	return net, float64(right) / float64(len(labels))
}

func TestLearns(t *testing.T) {
	_, right := train(t, 16)
	require.Greater(t, right, 0.9)
}

// Layers that are wide enough to be computed by several processors.
func TestSameBits(t *testing.T) {
	before := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(before)
	alone, _ := train(t, 200)
	runtime.GOMAXPROCS(4)
	together, _ := train(t, 200)
	require.Equal(t, alone.Values(), together.Values())
}

func BenchmarkUpdate(b *testing.B) {
	r := random(6)
	net, adam := NewMLP(r, 4, 64, 64, 2), Adam{}
	x, dy := batch(r, 64, 4), batch(r, 64, 2)
	for b.Loop() {
		net.Forward(x)
		net.ZeroGrads()
		net.Backward(dy)
		adam.Update(net.Values(), net.Grads())
	}
}

func BenchmarkForwardOne(b *testing.B) {
	r := random(7)
	net := NewMLP(r, 4, 64, 64, 2)
	x := batch(r, 1, 4)
	for b.Loop() {
		net.Forward(x)
	}
}
