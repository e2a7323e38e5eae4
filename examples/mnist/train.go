package main

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"

	"github.com/tartrl/tlaunch-go/examples/internal/neural"
)

// unit is what the numbers in sums are counted in. Adding integers is the same in any order, which adding floating-point numbers is not: so
// the sum over all shards has the same bits however many workers there are, and whatever way it takes. 2^-40 is far finer than a float32
// of the size of a gradient.
const unit = 1.0 / (1 << 40)

// largest is what a number may be so that none of a thousand and more overflows their sum.
const largest = unit * (1 << 52)

// A trainer trains a copy of the network on the shards of one worker. All workers' copies are the same after each step.
type trainer struct {
	data   Digits
	shards []*shard
	values []float32
	adam   neural.Adam
	grads  []float32
	sums   []int64 // one for each gradient, the loss, and how many were right
}

// A shard is a fixed part of the training images: every so-many-th. It has a copy of the network, so that shards go on side by side.
type shard struct {
	index, of int
	seed      uint64
	net       *neural.Network
	batch     neural.Matrix
	labels    []int
	out       neural.Matrix
	order     []int // of its images in this epoch
	loss      float64
	right     int
}

// newTrainer trains on the shards that worker rank of workers has. A batch is that of all shards together.
func newTrainer(cfg Config, data Digits, rank, workers int) *trainer {
	t := &trainer{data: data, adam: neural.Adam{Rate: float32(cfg.Rate)}}
	for index := rank; index < cfg.Shards; index += workers {
		net := neural.NewMLP(rand.New(rand.NewPCG(cfg.Seed, 0)), data.Rows*data.Cols, cfg.Hidden, classes)
		rows := cfg.Batch / cfg.Shards
		t.shards = append(t.shards, &shard{
			index: index, of: cfg.Shards, seed: cfg.Seed, net: net,
			batch: neural.NewMatrix(rows, data.Rows*data.Cols), labels: make([]int, rows), out: neural.NewMatrix(rows, classes),
		})
	}
	t.values = append(t.values, t.shards[0].net.Values()...)
	t.grads = make([]float32, len(t.values))
	t.sums = make([]int64, len(t.values)+2)
	return t
}

// each does something with all shards at once.
func (t *trainer) each(f func(*shard)) {
	var group sync.WaitGroup
	for _, s := range t.shards {
		group.Go(func() { f(s) })
	}
	group.Wait()
}

// gradients works out what the next batch has to say, into sums: those of this worker's shards.
func (t *trainer) gradients(epoch, step int) error {
	t.each(func(s *shard) { s.gradients(t.data, epoch, step) })
	clear(t.sums)
	add := func(i int, v float64) error {
		if !(math.Abs(v) < largest) { // nor is it when it is no number
			return fmt.Errorf("epoch %d, step %d: a gradient or loss is %v: training has run away, try a smaller -rate", epoch, step, v)
		}
		t.sums[i] += int64(v / unit)
		return nil
	}
	last := len(t.values)
	for _, s := range t.shards {
		for i, g := range s.net.Grads() {
			if err := add(i, float64(g)); err != nil {
				return err
			}
		}
		if err := add(last, s.loss); err != nil {
			return err
		}
		t.sums[last+1] += int64(s.right)
	}
	return nil
}

func (s *shard) gradients(data Digits, epoch, step int) {
	rows := len(s.labels)
	if s.order == nil || step == 0 {
		r := rand.New(rand.NewPCG(s.seed, uint64(epoch*s.of+s.index)+1))
		s.order = r.Perm((data.Len() - s.index + s.of - 1) / s.of)
	}
	for i, at := range s.order[step*rows : (step+1)*rows] {
		s.load(data, i, at*s.of+s.index)
	}
	s.loss, s.right = neural.SoftmaxCrossEntropy(s.net.Forward(s.batch), s.labels, s.out)
	s.net.ZeroGrads()
	s.net.Backward(s.out)
}

// load makes an image the i-th of the batch.
func (s *shard) load(data Digits, i, image int) {
	size := data.Rows * data.Cols
	for j, p := range data.Pixels[image*size : (image+1)*size] {
		s.batch.Data[i*s.batch.Stride+j] = float32(p) / 255
	}
	s.labels[i] = int(data.Labels[image])
}

// apply changes the weights by the sums over all shards, and returns the mean loss.
func (t *trainer) apply(shards int) (loss float64) {
	last := len(t.values)
	for i := range t.grads {
		t.grads[i] = float32(float64(t.sums[i]) * unit / float64(shards))
	}
	t.adam.Update(t.values, t.grads)
	for _, s := range t.shards {
		copy(s.net.Values(), t.values)
	}
	return float64(t.sums[last]) * unit / float64(shards)
}

// right counts the images of this worker's shards of data that the network knows.
func (t *trainer) right(data Digits) int64 {
	t.each(func(s *shard) {
		s.right = 0
		rows := len(s.labels)
		for first := s.index; first < data.Len(); first += rows * s.of {
			n := 0
			for image := first; image < data.Len() && n < rows; image += s.of {
				s.load(data, n, image)
				n++
			}
			batch, out := s.batch, s.out
			batch.Rows, out.Rows = n, n
			_, right := neural.SoftmaxCrossEntropy(s.net.Forward(batch), s.labels[:n], out)
			s.right += right
		}
	})
	total := int64(0)
	for _, s := range t.shards {
		total += int64(s.right)
	}
	return total
}

// digest tells whether weights are the same to the last bit.
func (t *trainer) digest() string {
	h := sha256.New()
	_ = binary.Write(h, binary.LittleEndian, t.values) // a hash takes everything
	return fmt.Sprintf("%x", h.Sum(nil)[:8])
}
