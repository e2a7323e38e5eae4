package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"

	pb "github.com/asynkron/protoactor-go/remote"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

const receiveMethod = "/remote.Remoting/Receive"

// connect dials p and takes the link into use. Its error wraps ErrUnreachable, or is errAlias.
func (e *Endpoint) connect(p *peer) error {
	ctx, cancel := context.WithTimeoutCause(e.dialing, e.cfg.HandshakeTimeout, errHandshake)
	defer cancel()
	raw, err := e.cfg.Dial(ctx, p.address)
	if err != nil {
		return unreachable(p.address, err)
	}
	conn, err := e.security.dial(ctx, raw, p.address)
	if err != nil {
		raw.Close()
		return e.refused(p.address, whyNoTLS(err))
	}
	d, err := e.dialler(conn)
	if err != nil {
		conn.Close()
		return unreachable(p.address, err)
	}
	stop := context.AfterFunc(ctx, func() { d.abort(context.Cause(ctx)) })
	l, err := d.shakeHands(p)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		err = p.up(l)
	}
	if err != nil {
		d.close()
		if alert := conn.alert.Load(); alert != nil {
			err = fmt.Errorf("%w: by the peer, who does not accept our certificate: %w", ErrRefused, alert)
		}
		if errors.Is(err, errAlias) || errors.Is(err, ErrClosed) {
			return err
		}
		return e.refused(p.address, err)
	}
	if !e.spawn(func() { l.run(d.close) }) {
		l.finish(ErrClosed)
		p.ended(l, ErrClosed, l.lost)
		d.close()
		return ErrClosed
	}
	return nil
}

// whyNoTLS puts the sentinel into the failure of a TLS handshake.
func whyNoTLS(err error) error {
	var op *net.OpError
	if identityError(err) || (errors.As(err, &op) && op.Op == "remote error") {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return err
}

// A dialler is the gRPC side of a connection that was made by us.
type dialler struct {
	e      *Endpoint
	conn   *secured
	cc     *grpc.ClientConn
	stream grpc.ClientStream
	ctx    context.Context
	abort  context.CancelCauseFunc
}

// dialler wraps an established connection. gRPC would dial again when it breaks; that is left to peer. Its target has to
// be a URL, which not every address is part of, and names nothing here.
func (e *Endpoint) dialler(conn *secured) (*dialler, error) {
	var used atomic.Bool
	cc, err := grpc.NewClient("passthrough:///peer",
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
			if used.Swap(true) {
				return nil, errOneStream
			}
			return conn, nil
		}),
		grpc.WithTransportCredentials(handedOver{}),
		grpc.WithAuthority(memberName),
		grpc.WithDisableRetry(), grpc.WithDisableServiceConfig(), grpc.WithDisableHealthCheck(),
		grpc.WithIdleTimeout(0), grpc.WithMaxHeaderListSize(headerBytes),
		grpc.WithInitialWindowSize(windowBytes), grpc.WithInitialConnWindowSize(windowBytes),
		grpc.WithDefaultCallOptions(
			grpc.ForceCodecV2(wireCodec{}),
			grpc.MaxCallRecvMsgSize(e.cfg.MaxMessage+frameOverhead),
			grpc.MaxCallSendMsgSize(e.cfg.MaxMessage+frameOverhead),
		),
	)
	if err != nil {
		return nil, err
	}
	ctx, abort := context.WithCancelCause(e.ctx)
	return &dialler{e: e, conn: conn, cc: cc, ctx: ctx, abort: abort}, nil
}

// shakeHands opens the stream and waits for the welcome.
func (d *dialler) shakeHands(p *peer) (*link, error) {
	e := d.e
	ctx := metadata.NewOutgoingContext(d.ctx, e.hello().metadata())
	stream, err := d.cc.NewStream(ctx, &pb.Remoting_ServiceDesc.Streams[0], receiveMethod)
	if err != nil {
		return nil, d.why(err)
	}
	d.stream = stream
	l := e.newLink(stream, d.conn.info.pulse)
	l.p, l.member, l.sends = p, d.conn.info.member, true
	l.hangUp = func() { _ = stream.CloseSend() } // fails only on a stream that has ended
	_, err = l.send(&pb.RemoteMessage{MessageType: &pb.RemoteMessage_ConnectRequest{
		ConnectRequest: &pb.ConnectRequest{ConnectionType: &pb.ConnectRequest_ServerConnection{
			ServerConnection: &pb.ServerConnection{SystemId: e.system.ID, Address: e.cfg.Address},
		}},
	}})
	var f frame
	if rerr := stream.RecvMsg(&f); rerr != nil { // its status says more than a failed send
		return nil, d.why(rerr)
	}
	if err != nil {
		return nil, d.why(err)
	}
	var m pb.RemoteMessage
	if err := proto.Unmarshal(f.bytes, &m); err != nil {
		return nil, fmt.Errorf("the answer is not of the protocol: %w", err)
	}
	welcome := m.GetConnectResponse()
	switch {
	case welcome == nil:
		return nil, errors.New("the peer answered, but not with a welcome")
	case welcome.Blocked:
		return nil, fmt.Errorf("%w: the peer has blocked this process", ErrRefused)
	case welcome.MemberId == e.system.ID:
		return nil, errAlias
	}
	header, err := stream.Header()
	if err != nil {
		return nil, d.why(err)
	}
	h, own, err := parseHello(header)
	if err != nil {
		return nil, err
	}
	l.own = own
	var incarnation *uint64
	if own {
		incarnation, l.incarnation = &h.incarnation, h.incarnation
	}
	return l, p.fits(d.conn.info, true, incarnation)
}

// why turns what gRPC reports into our errors.
func (d *dialler) why(err error) error {
	if cause := context.Cause(d.ctx); cause != nil {
		return cause
	}
	switch status.Code(err) {
	case codes.PermissionDenied, codes.Unauthenticated:
		return fmt.Errorf("%w: by the peer: %w", ErrRefused, err)
	case codes.FailedPrecondition:
		return fmt.Errorf("%w: says the peer: %w", ErrVersion, err)
	}
	return err
}

// close ends stream and connection.
func (d *dialler) close() {
	d.abort(errOneStream)
	_ = d.cc.Close() // reports only that it was closed already
	d.conn.Close()
}

// refused counts and logs a failed handshake, and says which address it was.
func (e *Endpoint) refused(address string, err error) error {
	e.turnedAway(address, err)
	return unreachable(address, err)
}
