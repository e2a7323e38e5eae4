package main

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// From rest the equations are fractions: the push gives the cart 400/41 m/s² and the pole -600/41 rad/s².
func TestCartPoleFromRest(t *testing.T) {
	c := &CartPole{}
	observation, reward, terminal, cut := c.Step(1)
	require.InDeltaSlice(t, []float32{0, 8. / 41, 0, -12. / 41}, observation, 1e-7)
	require.Equal(t, 1.0, reward)
	require.False(t, terminal || cut)
	c = &CartPole{}
	observation, _, _, _ = c.Step(0)
	require.InDeltaSlice(t, []float32{0, -8. / 41, 0, 12. / 41}, observation, 1e-7)
	require.InDelta(t, 0.02*8/41, func() float64 { c = &CartPole{speed: 8. / 41}; c.move(0); return c.x }(), 1e-12)
}

// Anywhere else the accelerations solve the equations of motion of cart and pole, of which Barto, Sutton and Anderson's are the solution.
func TestCartPoleMotion(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		c := CartPole{x: r.NormFloat64(), speed: r.NormFloat64(), angle: r.NormFloat64(), spin: 3 * r.NormFloat64()}
		before, force := c, 20*r.Float64()-10
		c.move(force)
		up, spinUp := (c.speed-before.speed)/0.02, (c.spin-before.spin)/0.02
		sin, cos := math.Sincos(before.angle)
		const m, l = 0.1, 0.5
		require.InDelta(t, force+m*l*before.spin*before.spin*sin, (1+m)*up+m*l*cos*spinUp, 1e-9)
		require.InDelta(t, m*9.8*l*sin, m*l*cos*up+4./3*m*l*l*spinUp, 1e-9)
		require.InDelta(t, before.x+0.02*before.speed, c.x, 1e-12)
		require.InDelta(t, before.angle+0.02*before.spin, c.angle, 1e-12)
	}
}

func TestCartPoleEnds(t *testing.T) {
	for name, c := range map[string]struct {
		at            CartPole
		terminal, cut bool
	}{
		"inside":      {CartPole{x: 2.39, angle: 0.209}, false, false},
		"right":       {CartPole{x: 2.41}, true, false},
		"left":        {CartPole{x: -2.41}, true, false},
		"fallen":      {CartPole{angle: 0.2095}, true, false},
		"the 499th":   {CartPole{steps: 498}, false, false},
		"the 500th":   {CartPole{steps: 499}, false, true},
		"both at end": {CartPole{steps: 499, x: 3}, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, terminal, cut := c.at.Step(1)
			require.Equal(t, []bool{c.terminal, c.cut}, []bool{terminal, cut})
		})
	}
}

func TestResets(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 1000 {
		for _, v := range (&CartPole{steps: 7, x: 9}).Reset(r) {
			require.LessOrEqual(t, math.Abs(float64(v)), 0.05)
		}
		a := &Acrobot{steps: 7}
		require.Len(t, a.Reset(r), a.Observations())
		for _, v := range a.s {
			require.LessOrEqual(t, math.Abs(v), 0.1)
		}
		require.Zero(t, a.steps)
	}
}

// From rest, hanging down, gravity has no part: a torque of 1 N m gives -28/41 and 72/41 rad/s².
func TestAcrobotFromRest(t *testing.T) {
	require.InDeltaSlice(t, []float64{0, 0, -28. / 41, 72. / 41}, func() []float64 { s := acrobotState{}.slope(1); return s[:] }(), 1e-12)
}

// Anywhere, the accelerations solve both equations of motion, and without a torque the energy does not change.
func TestAcrobotMotion(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	energy := func(s acrobotState) float64 {
		cos2 := math.Cos(s[1])
		return (3.5+cos2)*s[2]*s[2]/2 + (1.25+cos2/2)*s[2]*s[3] + 1.25*s[3]*s[3]/2 - 1.5*9.8*math.Cos(s[0]) - 0.5*9.8*math.Cos(s[0]+s[1])
	}
	for range 100 {
		s := acrobotState{r.NormFloat64(), r.NormFloat64(), 3 * r.NormFloat64(), 3 * r.NormFloat64()}
		torque := r.NormFloat64()
		d := s.slope(torque)
		require.Equal(t, s[2:], d[:2])
		sin2, cos2 := math.Sincos(s[1])
		weight2 := 0.5 * 9.8 * math.Sin(s[0]+s[1])
		require.InDelta(t, 0, (3.5+cos2)*d[2]+(1.25+cos2/2)*d[3]-0.5*sin2*s[3]*s[3]-sin2*s[2]*s[3]+1.5*9.8*math.Sin(s[0])+weight2, 1e-9)
		require.InDelta(t, torque, (1.25+cos2/2)*d[2]+1.25*d[3]+0.5*sin2*s[2]*s[2]+weight2, 1e-9)
		free, small := s.slope(0), 1e-6
		require.InDelta(t, 0, (energy(s.along(free, small))-energy(s.along(free, -small)))/(2*small), 1e-5)
	}
}

// One step of Runge and Kutta's method is as good as many small ones while the pendulum is slow.
func TestAcrobotIntegration(t *testing.T) {
	a := &Acrobot{s: acrobotState{0.05, -0.02, 0.1, 0.05}}
	fine := a.s
	for range 20_000 {
		fine = fine.along(fine.slope(-1), 0.2/20_000)
	}
	a.Step(0)
	require.InDeltaSlice(t, fine[:], a.s[:], 2e-3)
}

func TestAcrobotEnds(t *testing.T) {
	high := &Acrobot{s: acrobotState{math.Pi, 0, 0, 0}}
	observation, reward, terminal, cut := high.Step(1)
	require.True(t, terminal)
	require.False(t, cut)
	require.Zero(t, reward)
	require.InDeltaSlice(t, []float32{-1, 0, 1, 0, 0, 0}, observation, 1e-6)

	low := &Acrobot{steps: 499}
	_, reward, terminal, cut = low.Step(1)
	require.False(t, terminal)
	require.True(t, cut)
	require.Equal(t, -1.0, reward)

	fast := &Acrobot{s: acrobotState{3, 3, 4 * math.Pi, 9 * math.Pi}}
	fast.Step(2)
	for i, most := range []float64{math.Pi, math.Pi, 4 * math.Pi, 9 * math.Pi} {
		require.LessOrEqual(t, math.Abs(fast.s[i]), most)
	}
}
