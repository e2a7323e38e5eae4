package tlaunch

import "context"

func launch(ctx context.Context, d *program, config []byte, s *settings) (*Run, error) {
	start := launchFleet
	if s.kind == inProcess {
		start = launchInProcess
	}
	r, err := start(ctx, d, config, s)
	if err != nil {
		return nil, err
	}
	if err := r.engine.start(); err != nil {
		return nil, err
	}
	return r, nil
}
