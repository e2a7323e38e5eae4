package main

import (
	"math"
	"math/rand/v2"
)

// Acrobot swings a double pendulum, driven at the joint between its links, up
// to a height: Sutton, "Generalization in Reinforcement Learning: Successful
// Examples Using Sparse Coarse Coding", 1996, with the equations and constants
// of Sutton and Barto, "Reinforcement Learning: An Introduction", and of
// Acrobot-v1 of OpenAI Gym (gym/envs/classic_control/acrobot.py): two links of
// 1 m and 1 kg, with their mass in the middle and a moment of inertia of 1 kg m².
type Acrobot struct {
	s     acrobotState
	steps int
}

// acrobotState is the angle of the first link from hanging down, that of the second from the first, and their speeds.
type acrobotState [4]float64

const (
	jointStep  = 0.2 // s
	mostSpin1  = 4 * math.Pi
	mostSpin2  = 9 * math.Pi
	goalHeight = 1.0 // of the tip above the first joint, in m
)

// Actions are how many actions there are: a torque of -1, 0 and 1 N m.
func (*Acrobot) Actions() int { return 3 }

// Observations are how many numbers an observation has.
func (*Acrobot) Observations() int { return 6 }

// Reset begins an episode near hanging down.
func (a *Acrobot) Reset(r *rand.Rand) []float32 {
	*a = Acrobot{}
	for i := range a.s {
		a.s[i] = 0.2*r.Float64() - 0.1
	}
	return a.observe()
}

// Step does an action for 0.2 s. The reward is -1 until the tip is high
// enough, which ends the episode; it is cut off after 500 steps.
func (a *Acrobot) Step(action int) (observation []float32, reward float64, terminal, cut bool) {
	a.move(float64(action - 1))
	a.steps++
	terminal = -math.Cos(a.s[0])-math.Cos(a.s[0]+a.s[1]) > goalHeight
	if !terminal {
		reward = -1
	}
	return a.observe(), reward, terminal, a.steps >= episodeMost
}

// move integrates the equations of motion by one step of the method of Runge and Kutta of the fourth order.
func (a *Acrobot) move(torque float64) {
	k1 := a.s.slope(torque)
	k2 := a.s.along(k1, jointStep/2).slope(torque)
	k3 := a.s.along(k2, jointStep/2).slope(torque)
	k4 := a.s.along(k3, jointStep).slope(torque)
	for i := range a.s {
		a.s[i] += jointStep / 6 * (k1[i] + 2*k2[i] + 2*k3[i] + k4[i])
	}
	a.s[0], a.s[1] = turned(a.s[0]), turned(a.s[1])
	a.s[2], a.s[3] = min(max(a.s[2], -mostSpin1), mostSpin1), min(max(a.s[3], -mostSpin2), mostSpin2)
}

func (s acrobotState) along(slope acrobotState, by float64) acrobotState {
	for i := range s {
		s[i] += by * slope[i]
	}
	return s
}

// slope is the derivative of the state by time, for masses, lengths and moments of inertia of 1 and centres of mass at 1/2.
func (s acrobotState) slope(torque float64) acrobotState {
	sin2, cos2 := math.Sincos(s[1])
	d1 := 0.25 + (1 + 0.25 + cos2) + 2
	d2 := 0.25 + 0.5*cos2 + 1
	phi2 := 0.5 * gravity * math.Cos(s[0]+s[1]-math.Pi/2)
	phi1 := -0.5*s[3]*s[3]*sin2 - s[3]*s[2]*sin2 + 1.5*gravity*math.Cos(s[0]-math.Pi/2) + phi2
	up2 := (torque + d2/d1*phi1 - 0.5*s[2]*s[2]*sin2 - phi2) / (0.25 + 1 - d2*d2/d1)
	up1 := -(d2*up2 + phi1) / d1
	return acrobotState{s[2], s[3], up1, up2}
}

// turned is an angle as one from -π to π.
func turned(angle float64) float64 { return angle - 2*math.Pi*math.Round(angle/(2*math.Pi)) }

func (a *Acrobot) observe() []float32 {
	sin1, cos1 := math.Sincos(a.s[0])
	sin2, cos2 := math.Sincos(a.s[1])
	return []float32{float32(cos1), float32(sin1), float32(cos2), float32(sin2), float32(a.s[2]), float32(a.s[3])}
}
