package neural

import (
	"fmt"
	"math/rand/v2"

	"gonum.org/v1/gonum/blas/blas32"
)

// A Matrix is a batch: an example a row.
type Matrix = blas32.General

// NewMatrix is a matrix of zeros.
func NewMatrix(rows, cols int) Matrix {
	return Matrix{Rows: rows, Cols: cols, Stride: max(cols, 1), Data: make([]float32, rows*cols)}
}

// Row is a row of a matrix, in its memory.
func Row(m Matrix, i int) []float32 { return m.Data[i*m.Stride : i*m.Stride+m.Cols] }

// A Param is an array of parameters of a layer.
type Param struct {
	Name        string // unique in its layer, and with the layer's number in its network: "0.weight"
	Shape       []int
	Value, Grad []float32 // row-major
}

// A Layer maps a batch to another. A [Network] gives the memory of its
// parameters, which keep the values that they have before.
type Layer interface {
	// Params are the layer's parameters, the same each time. None: nil.
	Params() []*Param
	// Forward maps a batch. Both batches stay as they are until Backward has been called, or Forward again.
	Forward(x Matrix) Matrix
	// Backward takes the gradient of a loss by the last result of Forward, adds the gradient by the parameters to theirs, and
	// returns that by the last argument of Forward; when that is not wanted it may return anything. It may change dy.
	Backward(dy Matrix, wanted bool) Matrix
}

// A Network is a row of layers.
type Network struct {
	layers        []Layer
	params        []*Param
	values, grads []float32
}

// New makes a network of layers, which belong to it.
func New(layers ...Layer) *Network {
	n := &Network{layers: layers}
	size := 0
	for i, l := range layers {
		for _, p := range l.Params() {
			p.Name = fmt.Sprintf("%d.%s", i, p.Name)
			n.params = append(n.params, p)
			size += len(p.Value)
		}
	}
	n.values, n.grads = make([]float32, size), make([]float32, size)
	at := 0
	for _, p := range n.params {
		end := at + copy(n.values[at:], p.Value)
		p.Value, p.Grad = n.values[at:end:end], n.grads[at:end:end]
		at = end
	}
	return n
}

// NewMLP is a network of dense layers, from sizes[0] inputs to sizes[last]
// outputs, with a ReLU between each two. There are at least two sizes.
func NewMLP(r *rand.Rand, sizes ...int) *Network {
	var layers []Layer
	for i := range len(sizes) - 1 {
		if i > 0 {
			layers = append(layers, &ReLU{})
		}
		layers = append(layers, NewDense(r, sizes[i], sizes[i+1]))
	}
	return New(layers...)
}

// Params are all parameters, in the order in which they are in Values and Grads.
func (n *Network) Params() []*Param { return n.params }

// Values are the values of all parameters; to change them changes the network.
func (n *Network) Values() []float32 { return n.values }

// Grads are the gradients of all parameters, as Values are the values.
func (n *Network) Grads() []float32 { return n.grads }

// ZeroGrads makes all gradients zero.
func (n *Network) ZeroGrads() { clear(n.grads) }

// Forward maps a batch. It is read again by Backward.
func (n *Network) Forward(x Matrix) Matrix {
	for _, l := range n.layers {
		x = l.Forward(x)
	}
	return x
}

// Backward adds the gradient of a loss to those of the parameters, given the
// gradient by the last result of Forward, which it may change.
func (n *Network) Backward(dy Matrix) {
	for i := len(n.layers) - 1; i >= 0; i-- {
		dy = n.layers[i].Backward(dy, i > 0)
	}
}

// buffer is memory for a matrix that is made again and again.
type buffer []float32

// matrix is a matrix with anything in it.
func (b *buffer) matrix(rows, cols int) Matrix {
	if cap(*b) < rows*cols {
		*b = make([]float32, rows*cols)
	}
	return Matrix{Rows: rows, Cols: cols, Stride: max(cols, 1), Data: (*b)[:rows*cols]}
}
