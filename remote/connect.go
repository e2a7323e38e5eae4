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
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

const receiveMethod = "/remote.Remoting/Receive"

// connect dials p and takes the link into use. Its error wraps ErrUnreachable, or is errAlias.
func (e *Endpoint) connect(p *peer) error {
	ctx, cancel := context.WithTimeoutCause(e.dialing, e.cfg.HandshakeTimeout, errHandshake)
	defer cancel()
	conn, protocol, err := e.reach(ctx, p)
	if err != nil {
		return err
	}
	if protocol == protoOwn && !p.stock.Load() {
		err = e.connectOwn(ctx, p, conn)
		if errors.Is(err, errHelloCut) { // perhaps the network's doing: once more, as for a peer that has said nothing
			if conn, _, err = e.reach(ctx, p); err != nil {
				return err
			}
			err = e.connectOwn(ctx, p, conn)
		}
		switch {
		case errors.Is(err, errHelloCut):
			return e.refused(p.address, err)
		case !errors.Is(err, errOtherLanguage):
			return err
		}
		// Without TLS nothing says beforehand what a peer speaks, and it has hung up on what it does not.
		if conn, _, err = e.reach(ctx, p); err != nil {
			return err
		}
	}
	err = e.connectStock(ctx, p, conn)
	p.stock.Store(err == nil)
	return err
}

// reach is dial, and counts peers that were turned away.
func (e *Endpoint) reach(ctx context.Context, p *peer) (*secured, string, error) {
	conn, protocol, err := e.dial(ctx, p)
	var insecure *noTLS
	if errors.As(err, &insecure) {
		e.turnedAway(p.address, insecure.err)
	}
	return conn, protocol, err
}

// dial makes a connection to p and does the client's half of TLS. Its error wraps ErrUnreachable.
func (e *Endpoint) dial(ctx context.Context, p *peer) (*secured, string, error) {
	raw, err := e.cfg.Dial(ctx, p.address)
	if err != nil {
		return nil, "", unreachable(p.address, err)
	}
	boundUnsent(raw)
	conn, protocol, err := e.security.dial(ctx, raw, p.address)
	if err != nil {
		raw.Close()
		return nil, "", unreachable(p.address, &noTLS{whyNoTLS(err)})
	}
	return conn, protocol, nil
}

// noTLS is a failure of the client's half of TLS.
type noTLS struct{ err error }

func (n *noTLS) Error() string { return n.err.Error() }
func (n *noTLS) Unwrap() error { return n.err }

// connectStock makes a link over gRPC.
func (e *Endpoint) connectStock(ctx context.Context, p *peer, conn *secured) error {
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
		return e.notUp(p, conn, err)
	}
	return e.keepRunning(l, d.close)
}

// notUp is why a link that we dialled did not come up.
func (e *Endpoint) notUp(p *peer, conn *secured, err error) error {
	if alert := conn.alert.Load(); alert != nil {
		err = fmt.Errorf("%w: by the peer, who does not accept our certificate: %w", ErrRefused, alert)
	}
	if errors.Is(err, errAlias) || errors.Is(err, ErrClosed) || errors.Is(err, errOtherLanguage) || errors.Is(err, errHelloCut) {
		return err
	}
	return e.refused(p.address, err)
}

// keepRunning runs a link that is up in a goroutine of its own, also where Close was called since: whoever found the link may have queued something.
func (e *Endpoint) keepRunning(l *link, breakOff func()) error {
	if !e.spawnUntilTorn(func() { l.run(breakOff) }) {
		l.finish(ErrClosed)
		l.p.ended(l, ErrClosed, l.lost)
		breakOff()
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
	stream, err := d.cc.NewStream(d.ctx, &pb.Remoting_ServiceDesc.Streams[0], receiveMethod)
	if err != nil {
		return nil, d.why(err)
	}
	d.stream = stream
	l := e.newLink(stream)
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
	return l, p.fits(d.conn.info, true, nil)
}

// why turns what gRPC reports into our errors.
func (d *dialler) why(err error) error {
	if cause := context.Cause(d.ctx); cause != nil {
		return cause
	}
	switch status.Code(err) {
	case codes.PermissionDenied, codes.Unauthenticated:
		return fmt.Errorf("%w: by the peer: %w", ErrRefused, err)
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
