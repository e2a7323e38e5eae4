package neural

import "math"

// Huber is the loss of an error d, d²/2 up to 1 and |d| - 1/2 beyond, and its
// gradient (Huber, "Robust Estimation of a Location Parameter", 1964).
func Huber(d float32) (loss, grad float32) {
	switch {
	case d > 1:
		return d - 0.5, 1
	case d < -1:
		return -d - 0.5, -1
	}
	return d * d / 2, d
}

// SoftmaxCrossEntropy is the mean over a batch of -log softmax(row)[label],
// and how many rows have their greatest value at their label. labels has one
// for each row, from 0. grad becomes the gradient of the loss by the logits;
// it is of their size, and may be the same matrix.
func SoftmaxCrossEntropy(logits Matrix, labels []int, grad Matrix) (loss float64, right int) {
	for i := range logits.Rows {
		row, g, label := Row(logits, i), Row(grad, i), labels[i]
		best := 0
		for j, v := range row {
			if v > row[best] {
				best = j
			}
		}
		if best == label {
			right++
		}
		greatest, own, sum := row[best], row[label], 0.0
		for j, v := range row {
			e := math.Exp(float64(v - greatest))
			sum += e
			g[j] = float32(e)
		}
		loss += math.Log(sum) - float64(own-greatest)
		scale := float32(1 / (sum * float64(logits.Rows)))
		for j := range g {
			g[j] *= scale
		}
		g[label] -= 1 / float32(logits.Rows)
	}
	return loss / float64(logits.Rows), right
}
