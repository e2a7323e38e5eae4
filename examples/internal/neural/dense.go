package neural

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
)

// Dense is y = x·weight + bias.
type Dense struct {
	weight, bias *Param
	in           Matrix // of the last Forward
	y, dx        buffer
}

// NewDense is a layer with biases of zero, and weights uniformly from ±√(6/in)
// (He et al., "Delving Deep into Rectifiers", 2015, section 2.2).
func NewDense(r *rand.Rand, in, out int) *Dense {
	d := &Dense{
		weight: &Param{Name: "weight", Shape: []int{in, out}, Value: make([]float32, in*out)},
		bias:   &Param{Name: "bias", Shape: []int{out}, Value: make([]float32, out)},
	}
	bound := math.Sqrt(6 / float64(in))
	for i := range d.weight.Value {
		d.weight.Value[i] = float32(bound * (2*r.Float64() - 1))
	}
	return d
}

// Params are weight and bias.
func (d *Dense) Params() []*Param { return []*Param{d.weight, d.bias} }

func (d *Dense) matrix(data []float32) Matrix {
	in, out := d.weight.Shape[0], d.weight.Shape[1]
	return Matrix{Rows: in, Cols: out, Stride: max(out, 1), Data: data}
}

// Forward maps a batch.
func (d *Dense) Forward(x Matrix) Matrix {
	d.in = x
	y := d.y.matrix(x.Rows, len(d.bias.Value))
	for i := range y.Rows {
		copy(Row(y, i), d.bias.Value)
	}
	blas32.Gemm(blas.NoTrans, blas.NoTrans, 1, x, d.matrix(d.weight.Value), 1, y)
	return y
}

// Backward adds to the gradients of weight and bias.
func (d *Dense) Backward(dy Matrix, wanted bool) Matrix {
	blas32.Gemm(blas.Trans, blas.NoTrans, 1, d.in, dy, 1, d.matrix(d.weight.Grad))
	for i := range dy.Rows {
		for j, g := range Row(dy, i) {
			d.bias.Grad[j] += g
		}
	}
	if !wanted {
		return Matrix{}
	}
	dx := d.dx.matrix(dy.Rows, d.weight.Shape[0])
	blas32.Gemm(blas.NoTrans, blas.Trans, 1, dy, d.matrix(d.weight.Value), 0, dx)
	return dx
}

// ReLU is y = max(x, 0).
type ReLU struct {
	out buffer
	y   Matrix // of the last Forward
}

// Params are none.
func (*ReLU) Params() []*Param { return nil }

// Forward maps a batch.
func (l *ReLU) Forward(x Matrix) Matrix {
	l.y = l.out.matrix(x.Rows, x.Cols)
	for i := range x.Rows {
		y := Row(l.y, i)
		for j, v := range Row(x, i) {
			y[j] = max(v, 0)
		}
	}
	return l.y
}

// Backward makes the gradient zero where the output was.
func (l *ReLU) Backward(dy Matrix, _ bool) Matrix {
	for i := range dy.Rows {
		g := Row(dy, i)
		for j, v := range Row(l.y, i) {
			if v == 0 {
				g[j] = 0
			}
		}
	}
	return dy
}

var (
	_ Layer = (*Dense)(nil)
	_ Layer = (*ReLU)(nil)
)
