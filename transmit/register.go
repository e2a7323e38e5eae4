package transmit

import (
	"context"
	"fmt"
	"unicode/utf8"

	"github.com/tartrl/tlaunch-go/actor"
)

// mostRegisters is how many names of registers, and of hand-offs, a node knows.
const mostRegisters = 4096

// A Value is the value of a register, encoded as in a message. Programs use
// [SendInfo], [GetInfo], [Register] and [HandOff].
type Value struct {
	Name  string
	Value []byte
}

// A ValueReply is the answer to a request for a value, or to store one.
type ValueReply struct {
	Value   []byte
	Version uint64 // how many have been stored, this one included
	Fault   *Fault
}

// register has the latest value that it was sent.
type register struct {
	value   []byte // nil: none yet
	version uint64
	first   signal // closed with the first value
}

// handOff passes values on, each to one taker.
type handOff struct {
	value   []byte // nil: none
	version uint64 // counts values
	change  signal // closed when a value comes or goes
}

func named[T any](all map[string]*T, name string, make func() *T) (*T, error) {
	v := all[name]
	if v != nil {
		return v, nil
	}
	if len(name) > longestName || !utf8.ValidString(name) {
		return nil, fmt.Errorf("%w: a register's name is UTF-8 of at most %d bytes", ErrRequest, longestName)
	}
	if len(all) >= mostRegisters {
		return nil, fmt.Errorf("%w: the node has %d registers already", ErrRequest, mostRegisters)
	}
	v = make()
	all[name] = v
	return v, nil
}

func (s *state) register(name string) (*register, error) {
	return named(s.registers, name, func() *register { return &register{first: make(signal)} })
}

func (s *state) handOff(name string) (*handOff, error) {
	return named(s.handOffs, name, func() *handOff { return &handOff{change: make(signal)} })
}

func (r *register) set(value []byte) {
	if r.value == nil {
		close(r.first)
	}
	r.value = value
	r.version++
}

func (h *handOff) set(value []byte) {
	h.value = value
	close(h.change)
	h.change = make(signal)
}

// SetValue stores the latest value of a register.
func (n *Node) SetValue(_ context.Context, v Value) (ValueReply, error) {
	s := n.state
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.register(v.Name)
	if err != nil {
		return ValueReply{Fault: faultOf(err)}, nil
	}
	r.set(append([]byte{}, v.Value...))
	return ValueReply{Version: r.version}, nil
}

// LatestValue waits until a register has a value and returns it.
func (n *Node) LatestValue(ctx context.Context, name string) (ValueReply, error) {
	s := n.state
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.register(name)
	if err != nil {
		return ValueReply{Fault: faultOf(err)}, nil
	}
	s.waitFor(ctx, r.first)
	if r.value == nil {
		return ValueReply{}, ctx.Err()
	}
	return ValueReply{Value: r.value, Version: r.version}, nil
}

// PutValue waits until a hand-off has no value, and gives it one.
func (n *Node) PutValue(ctx context.Context, v Value) (ValueReply, error) {
	s := n.state
	s.mu.Lock()
	defer s.mu.Unlock()
	h, err := s.handOff(v.Name)
	if err != nil {
		return ValueReply{Fault: faultOf(err)}, nil
	}
	for h.value != nil {
		s.waitFor(ctx, h.change)
		if err := ctx.Err(); err != nil {
			return ValueReply{}, err
		}
	}
	h.version++
	h.set(append([]byte{}, v.Value...))
	return ValueReply{Version: h.version}, nil
}

// TakeValue waits until a hand-off has a value, and takes it.
func (n *Node) TakeValue(ctx context.Context, name string) (ValueReply, error) {
	s := n.state
	s.mu.Lock()
	defer s.mu.Unlock()
	h, err := s.handOff(name)
	if err != nil {
		return ValueReply{Fault: faultOf(err)}, nil
	}
	for h.value == nil {
		s.waitFor(ctx, h.change)
		if err := ctx.Err(); err != nil {
			return ValueReply{}, err
		}
	}
	reply := ValueReply{Value: h.value, Version: h.version}
	h.set(nil)
	return reply, nil
}

// SendInfo gives the node's own register, that without a name, its latest value.
func SendInfo[T any](ctx context.Context, node Ref, value T) error {
	_, err := Register[T]{Node: node}.Send(ctx, value)
	return err
}

// GetInfo reads the latest value of the node's own register. It waits for the
// first under ctx, and may read the same one again.
func GetInfo[T any](ctx context.Context, node Ref) (T, error) {
	value, _, err := Register[T]{Node: node}.Get(ctx)
	return value, err
}

// A Register is a place in a node for the latest value of a kind: the newest
// weights, say. Values are anything that can travel in a message, of at most 32 MiB.
type Register[T any] struct {
	Node Ref
	Name string // of at most 256 bytes; empty: the one that SendInfo and GetInfo use
}

// Send stores the latest value, and returns the number of its version, counted from 1.
func (r Register[T]) Send(ctx context.Context, value T) (version uint64, err error) {
	v, err := encodeValue(r.Name, value)
	if err != nil {
		return 0, err
	}
	_, version, err = answered(setValue(ctx, r.Node, v))
	return version, err
}

// Get waits under ctx until there is a value, and returns the latest and its version.
func (r Register[T]) Get(ctx context.Context) (value T, version uint64, err error) {
	return decodeValue[T](latestValue(ctx, r.Node, r.Name))
}

// A HandOff is a place in a node through which values are passed on, each to one taker.
type HandOff[T any] struct {
	Node Ref
	Name string // of at most 256 bytes; other than those of registers
}

// Put waits under ctx until the value before was taken, and leaves another.
// After an error it may have been left all the same.
func (h HandOff[T]) Put(ctx context.Context, value T) error {
	v, err := encodeValue(h.Name, value)
	if err != nil {
		return err
	}
	_, _, err = answered(putValue(ctx, h.Node, v))
	return err
}

// Take waits under ctx until there is a value, and takes it: nobody else gets
// it. After an error one may have been taken and lost.
func (h HandOff[T]) Take(ctx context.Context) (T, error) {
	value, _, err := decodeValue[T](takeValue(ctx, h.Node, h.Name))
	return value, err
}

func encodeValue[T any](name string, value T) (Value, error) {
	b, err := actor.Encode(value)
	if len(b) > mostValue {
		err = fmt.Errorf("%w: a value of %d bytes, and the most is %d", ErrTooLarge, len(b), mostValue)
	}
	return Value{name, b}, err
}

const mostValue = 32 << 20

func decodeValue[T any](reply ValueReply, err error) (value T, version uint64, _ error) {
	b, version, err := answered(reply, err)
	if err == nil {
		err = actor.Decode(b, &value)
	}
	return value, version, err
}

func answered(r ValueReply, err error) ([]byte, uint64, error) {
	if err == nil {
		err = r.Fault.errorOf()
	}
	return r.Value, r.Version, err
}

// Method expressions taken inside generic functions have no names by which they could be called.

func setValue(ctx context.Context, node Ref, v Value) (ValueReply, error) {
	return actor.Call(ctx, node, (*Node).SetValue, v)
}

func latestValue(ctx context.Context, node Ref, name string) (ValueReply, error) {
	return actor.Call(ctx, node, (*Node).LatestValue, name)
}

func putValue(ctx context.Context, node Ref, v Value) (ValueReply, error) {
	return actor.Call(ctx, node, (*Node).PutValue, v)
}

func takeValue(ctx context.Context, node Ref, name string) (ValueReply, error) {
	return actor.Call(ctx, node, (*Node).TakeValue, name)
}
