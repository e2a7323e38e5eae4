// Package tensor has arrays of numbers as they travel between nodes and lie in files: a type, a shape, and little-endian bytes.
//
//	t := tensor.Of([]float32{1, 2, 3, 4, 5, 6}, 2, 3)
//	rows, err := tensor.Values[float32](t)
//
// Learners and actors speak of the same ones: steps of experience (package transmit) and versions of weights (package collective) are tensors with
// names. A Tensor made of a slice shares its memory where the machine has numbers as tensors have them, which most do; nothing is computed here.
//
// # Limits
//
// A tensor has fewer than 2³¹ bytes.
package tensor
