package remote

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	pb "github.com/asynkron/protoactor-go/remote"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	grpcpeer "google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// service is the accepting side of the wire of stock peers. The embedded type answers the diagnostic calls with Unimplemented.
type service struct {
	pb.UnimplementedRemotingServer
	e *Endpoint
}

// Receive serves one stream.
func (s service) Receive(stream pb.Remoting_ReceiveServer) error {
	e := s.e
	caller, found := grpcpeer.FromContext(stream.Context())
	var info peerInfo
	if found {
		info, found = caller.AuthInfo.(peerInfo)
	}
	if !found {
		return status.Error(codes.Unauthenticated, errNotSecured.Error())
	}
	info.pulse.used.Store(true)
	from := hostOf(caller.Addr)
	l := e.newLink(stream)
	l.network = networkOf(from)

	welcomed := make(chan error, 1)
	var decided atomic.Bool // by whoever is first: the greeter, to go ahead, or the deadline, to give up
	greeter := func() { welcomed <- e.welcome(l, stream, info, &decided) }
	if !e.spawn(greeter) {
		return status.Error(codes.Unavailable, "the endpoint is closing")
	}
	// Returning is the only way to end a stream from this side, and it wakes the greeter if it still reads.
	deadline := time.NewTimer(e.cfg.HandshakeTimeout)
	defer deadline.Stop()
	var err error
	select {
	case err = <-welcomed:
	case <-deadline.C:
		if decided.CompareAndSwap(false, true) {
			e.strikes.add(networkOf(from), offence)
			e.turnedAway(from, errHandshake)
			return status.Error(codes.DeadlineExceeded, "no ConnectRequest in time")
		}
		err = <-welcomed
	case <-e.ctx.Done():
		if decided.CompareAndSwap(false, true) {
			return status.Error(codes.Unavailable, "the endpoint is closing")
		}
		err = <-welcomed
	}
	if err != nil {
		return e.notWelcome(from, err)
	}
	_ = e.keepRunning(l, func() {}) // fails only where links were broken, this one too
	<-l.over
	if l.err != nil {
		return status.Error(codes.Aborted, l.err.Error())
	}
	return nil
}

// welcome reads the first message, answers it, and takes the link into use.
func (e *Endpoint) welcome(l *link, stream grpc.ServerStream, info peerInfo, decided *atomic.Bool) error {
	var f frame
	if err := stream.RecvMsg(&f); err != nil {
		return err
	}
	var m pb.RemoteMessage
	if err := proto.Unmarshal(f.bytes, &m); err != nil {
		return fmt.Errorf("%w: %w", errFirstMessage, err)
	}
	request := m.GetConnectRequest().GetServerConnection()
	if request == nil {
		return errFirstMessage
	}
	answer := &pb.RemoteMessage{MessageType: &pb.RemoteMessage_ConnectResponse{
		ConnectResponse: &pb.ConnectResponse{MemberId: e.system.ID},
	}}
	if request.SystemId == e.system.ID {
		// We have dialled ourselves by another name; the answer tells the dialling side.
		if _, err := l.send(answer); err != nil {
			return err
		}
		return errAlias
	}
	address := request.Address
	if !printable(address) || address == e.cfg.Address {
		return fmt.Errorf("%w: the peer calls itself %q", ErrRefused, address)
	}
	l.p, l.member = e.peer(address), info.member
	defer l.p.release()
	if err := l.p.fits(info, false, nil); err != nil {
		return err
	}
	if _, err := l.send(answer); err != nil {
		return err
	}
	if !decided.CompareAndSwap(false, true) {
		return errHandshake
	}
	return l.p.up(l)
}

// notWelcome turns a refusal into the status that the dialling side understands.
func (e *Endpoint) notWelcome(from string, err error) error {
	switch {
	case errors.Is(err, errAlias):
		return nil
	case errors.Is(err, ErrClosed):
		return status.Error(codes.Unavailable, "the endpoint is closing")
	case status.Code(err) == codes.Canceled, errors.Is(err, context.Canceled):
		return err // the peer has gone
	}
	e.strikes.add(networkOf(from), weightOf(err))
	e.turnedAway(from, err)
	switch {
	case errors.Is(err, ErrRefused):
		return status.Error(codes.PermissionDenied, err.Error())
	}
	return status.Error(codes.InvalidArgument, err.Error())
}
