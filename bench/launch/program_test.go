package launch

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/bootstrap"
)

func TestTallyCountsEachHostOnce(t *testing.T) {
	said := newTally(2)
	for _, r := range []tlaunch.Record{
		{Host: "a", Stream: bootstrap.Log, Text: running},
		{Host: "a", Stream: bootstrap.Log, Text: running},
		{Host: "b", Stream: bootstrap.Stdout, Text: running},
		{Host: "b", Stream: bootstrap.Log, Text: "something else"},
	} {
		said.record(r)
		select {
		case <-said.all:
			t.Fatalf("all run after %+v", r)
		default:
		}
	}
	said.record(tlaunch.Record{Host: "b", Stream: bootstrap.Log, Text: running})
	<-said.all

	for _, p := range []tlaunch.Progress{
		{Host: "a", Stage: bootstrap.StageShipping, Sent: 10}, {Host: "a", Stage: bootstrap.StageShipping, Sent: 30},
		{Host: "b", Stage: bootstrap.StageShipping, Sent: 5}, {Host: "b", Stage: bootstrap.StageStarted, Sent: 99},
	} {
		said.progress(p)
	}
	require.Equal(t, int64(35), said.bytes())
}

func TestALauncherWithoutAnAssignmentFails(t *testing.T) {
	var out, errs bytes.Buffer
	require.NotZero(t, Command(t.Context(), []string{childCommand}, strings.NewReader(`{"Inventory":"nowhere"}`), &out, &errs))
	require.Empty(t, out.String())
	require.Contains(t, errs.String(), "nowhere")
}
