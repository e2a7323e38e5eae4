package neural

import "math"

// Adam changes parameters against their gradients (Kingma and Ba, "Adam: A
// Method for Stochastic Optimization", 2015, algorithm 1). Its fields are its
// whole state: a copy of all of them goes on where it was.
type Adam struct {
	Rate    float32 // of learning; zero: 0.001
	Beta1   float32 // decay of the mean of gradients; zero: 0.9
	Beta2   float32 // decay of the mean of their squares; zero: 0.999
	Epsilon float32 // zero: 1e-8
	// Clip is the greatest norm of the gradient: one that is longer is made as long. Zero: none.
	Clip float32

	Steps       int // updates that were made
	Mean, Mean2 []float32
}

// Update changes values against gradients, which are of the same length each
// time. Gradients that are too long are changed too.
func (a *Adam) Update(values, grads []float32) {
	rate, beta1, beta2, epsilon := or(a.Rate, 0.001), or(a.Beta1, 0.9), or(a.Beta2, 0.999), or(a.Epsilon, 1e-8)
	if a.Mean == nil {
		a.Mean, a.Mean2 = make([]float32, len(values)), make([]float32, len(values))
	}
	if a.Clip > 0 {
		clip(grads, a.Clip)
	}
	a.Steps++
	// The corrections of the two means for their having begun at zero, put into the rate and epsilon.
	correct1 := 1 - math.Pow(float64(beta1), float64(a.Steps))
	correct2 := math.Sqrt(1 - math.Pow(float64(beta2), float64(a.Steps)))
	scale, least := float32(float64(rate)*correct2/correct1), epsilon*float32(correct2)
	for i, g := range grads {
		m := beta1*a.Mean[i] + (1-beta1)*g
		v := beta2*a.Mean2[i] + (1-beta2)*g*g
		a.Mean[i], a.Mean2[i] = m, v
		values[i] -= scale * m / (float32(math.Sqrt(float64(v))) + least)
	}
}

func or(value, unset float32) float32 {
	if value == 0 {
		return unset
	}
	return value
}

// clip makes v at most as long as norm.
func clip(v []float32, norm float32) {
	squares := 0.0
	for _, x := range v {
		squares += float64(x) * float64(x)
	}
	if length := math.Sqrt(squares); length > float64(norm) {
		by := float32(float64(norm) / length)
		for i := range v {
			v[i] *= by
		}
	}
}
