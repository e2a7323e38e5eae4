package tensor_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go/tensor"
)

func Example() {
	t := tensor.Of([]float32{1, 2, 3, 4, 5, 6}, 2, 3)
	values, err := tensor.Values[float32](t)
	fmt.Println(t.Type, t.Shape, len(t.Data), values, err)
	_, err = tensor.Values[float64](t)
	fmt.Println(err)
	// Output:
	// float32 [2 3] 24 [1 2 3 4 5 6] <nil>
	// tensor: another type or shape: a tensor of float32 is not one of float64
}

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		tensor tensor.Tensor
		fits   bool
	}{
		"a number":              {tensor.Scalar(int16(3)), true},
		"nothing":               {tensor.Of([]bool{}, 0, 7), true},
		"a short one":           {tensor.Of([]float64{1}, 2), false},
		"a negative dimension":  {tensor.Tensor{Type: tensor.Int8, Shape: []int{-1, -1}, Data: []byte{1}}, false},
		"no type":               {tensor.Tensor{Data: []byte{1}}, false},
		"no type there is":      {tensor.Tensor{Type: 14, Data: []byte{1}}, false},
		"more than memory has":  {tensor.Tensor{Type: tensor.Float64, Shape: []int{math.MaxInt32, math.MaxInt32}}, false},
		"too many bytes for it": {tensor.Tensor{Type: tensor.BFloat16, Shape: []int{3}, Data: make([]byte, 7)}, false},
	} {
		err := c.tensor.Check()
		if c.fits {
			require.NoError(t, err, name)
		} else {
			require.ErrorIs(t, err, tensor.ErrType, name)
		}
	}
}

// Bytes that do not lie where numbers may are numbers all the same.
func TestAnywhereInMemory(t *testing.T) {
	want := []float64{math.Pi, -1, math.Inf(1)}
	data := tensor.Of(want).Data
	for shift := range 9 {
		there := tensor.Tensor{Type: tensor.Float64, Shape: []int{3}, Data: append(make([]byte, shift), data...)[shift:]}
		got, err := tensor.Values[float64](there)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := tensor.Values[bool](tensor.Tensor{Type: tensor.Bool, Shape: []int{2}, Data: []byte{0, 9}})
	require.NoError(t, err)
	require.Equal(t, "float16", tensor.Float16.String())
	require.Equal(t, 2, tensor.Float16.Size())
}
