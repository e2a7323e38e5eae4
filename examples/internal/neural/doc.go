// Package neural has networks of layers that are small enough to be trained on
// a processor, for the examples. It is no library for deep learning.
//
// A [Network] is a row of layers. It goes forward on a batch, one example a
// row, and back with the gradient of a loss, which it adds to the gradients of
// its parameters; an [Adam] then changes the parameters. All values are in one
// slice, and so are all gradients, in the order of [Network.Params]: what is
// sent to other processes or added up over them is a []float32.
//
//	net := neural.NewMLP(rand.New(rand.NewPCG(seed, 0)), 4, 64, 2)
//	out := net.Forward(batch)
//	… // the gradient of the loss by out
//	net.ZeroGrads()
//	net.Backward(grad)
//	optimiser.Update(net.Values(), net.Grads())
//
// # Guarantees
//
// The same seed and the same batches give the same bits, with any number of
// processors of one architecture; others may round otherwise, as Go lets them
// fuse multiplication and addition.
//
// # Limits
//
// A network is used by one goroutine at a time. What Forward and Backward
// return is theirs, and holds until the next call.
package neural
