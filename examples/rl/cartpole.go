package main

import (
	"math"
	"math/rand/v2"
)

// CartPole balances a pole on a cart that is pushed to the left or to the
// right: Barto, Sutton and Anderson, "Neuronlike Adaptive Elements That Can
// Solve Difficult Learning Control Problems", 1983, without friction. The
// constants are those of CartPole-v1 of OpenAI Gym (gym/envs/classic_control/cartpole.py).
type CartPole struct {
	x, speed, angle, spin float64 // m, m/s, rad from upright, rad/s
	steps                 int
}

const (
	gravity     = 9.8  // m/s²
	cartMass    = 1.0  // kg
	poleMass    = 0.1  // kg
	poleHalf    = 0.5  // m: half of the pole's length
	push        = 10.0 // N
	cartStep    = 0.02 // s
	farthest    = 2.4  // m
	steepest    = 12 * math.Pi / 180
	episodeMost = 500 // steps, of both tasks
)

// Actions are how many actions there are: 0 is to the left, 1 to the right.
func (*CartPole) Actions() int { return 2 }

// Observations are how many numbers an observation has.
func (*CartPole) Observations() int { return 4 }

// Reset begins an episode near the upright position.
func (c *CartPole) Reset(r *rand.Rand) []float32 {
	near := func() float64 { return 0.1*r.Float64() - 0.05 }
	*c = CartPole{x: near(), speed: near(), angle: near(), spin: near()}
	return c.observe()
}

// Step does an action for 20 ms. The reward is 1; an episode ends when the
// cart or the pole is too far, and is cut off after 500 steps.
func (c *CartPole) Step(action int) (observation []float32, reward float64, terminal, cut bool) {
	c.move(push * float64(2*action-1))
	c.steps++
	terminal = math.Abs(c.x) > farthest || math.Abs(c.angle) > steepest
	return c.observe(), 1, terminal, c.steps >= episodeMost
}

// move integrates the equations of motion by Euler's method.
func (c *CartPole) move(force float64) {
	const total = cartMass + poleMass
	sin, cos := math.Sincos(c.angle)
	common := (force + poleMass*poleHalf*c.spin*c.spin*sin) / total
	spinUp := (gravity*sin - cos*common) / (poleHalf * (4.0/3 - poleMass*cos*cos/total))
	speedUp := common - poleMass*poleHalf*spinUp*cos/total
	c.x, c.speed = c.x+cartStep*c.speed, c.speed+cartStep*speedUp
	c.angle, c.spin = c.angle+cartStep*c.spin, c.spin+cartStep*spinUp
}

func (c *CartPole) observe() []float32 {
	return []float32{float32(c.x), float32(c.speed), float32(c.angle), float32(c.spin)}
}
