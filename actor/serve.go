package actor

import (
	"context"
	"fmt"
	"net"
	"reflect"
)

// Streams of bytes between nodes: the side of the node that serves them.

var _ StreamTaker = (*systemProcess)(nil)

// TakeStream finds the node and its method for a stream of another process.
func (p *systemProcess) TakeStream(node, method string) (func(net.Conn), error) {
	s := p.sys
	s.mu.Lock()
	n := s.nodes[node]
	s.mu.Unlock()
	if n == nil {
		why := s.missing(node)
		return nil, &Error{Code: codeOf(why), Node: node, Host: s.host, Method: method, Text: why.Error()}
	}
	return n.takeStream(method)
}

// missing is why a message, or a stream, for a node that is not here cannot be handled.
func (s *System) missing(key string) error {
	if s.table.find(key).node.Load() != nil {
		return fmt.Errorf("%w: %s has stopped", ErrStopped, key)
	}
	return fmt.Errorf("%w: %s", ErrNoNode, key)
}

// takeStream is [StreamTaker] for one node. Its error is an *Error.
func (n *Node) takeStream(method string) (serve func(net.Conn), err error) {
	m, err := n.streamMethod(method)
	if err == nil {
		err = n.joinGroup()
	}
	if err != nil {
		return nil, &Error{Code: codeOf(err), Node: n.key, Host: n.host, Method: method, Text: err.Error()}
	}
	return func(conn net.Conn) {
		if conn != nil {
			n.group.Go(func() { n.serve(method, m, conn) })
		}
		n.group.Done()
	}, nil
}

// joinGroup has Stop wait until the group's Done is called, unless the node is stopped or replaced.
func (n *Node) joinGroup() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.gone != nil:
		return n.gone
	case n.phase == stopped:
		return fmt.Errorf("%w: %s has stopped", ErrStopped, n.key)
	}
	n.group.Add(1)
	return nil
}

// streamMethod finds the method of the node's value that takes streams.
func (n *Node) streamMethod(name string) (func(context.Context, net.Conn) error, error) {
	if lifecycle[name] {
		return nil, fmt.Errorf("%w: %s belongs to the node's life", ErrNoMethod, name)
	}
	v := reflect.ValueOf(n.value).MethodByName(name)
	if !v.IsValid() {
		return nil, fmt.Errorf("%w: %v has no method %s", ErrNoMethod, n.typ, name)
	}
	m, ok := v.Interface().(func(context.Context, net.Conn) error)
	if !ok {
		return nil, fmt.Errorf("%w: %v.%s is %v; a method that takes a stream takes a context and a net.Conn, and returns an error",
			ErrNoMethod, n.typ, name, v.Type())
	}
	return m, nil
}

// serve runs a method with a stream, once the node is open.
func (n *Node) serve(name string, m func(context.Context, net.Conn) error, conn net.Conn) {
	end := newStreamEnd(n.ctx, conn)
	defer end.Close()
	select {
	case <-n.opened:
	case <-n.ctx.Done():
		return
	}
	err := n.live(n.ctx, func(ctx context.Context) error { return m(ctx, end) })
	if err == nil || n.ctx.Err() != nil {
		return
	}
	n.failures.add(err)
	n.sys.failed(n.ctx, n, "a stream failed", name, err)
}
