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
	r.engine.start()
	return r, nil
}
