package main

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/examples/internal/capture"
	"github.com/tartrl/tlaunch-go/internal/testutil/leak"
)

// asMain is a variable of the environment that makes this executable the example itself.
const asMain = "STAR_AS_MAIN"

func TestMain(m *testing.M) {
	tlaunch.Init() // the processes of hosts are this executable too
	if os.Getenv(asMain) != "" {
		main()
	}
	leak.Main(m)
}

func TestStar(t *testing.T) {
	for _, c := range []struct {
		name   string
		launch tlaunch.Option
		rounds int
		want   string
	}{
		{"in process", tlaunch.Encoded(), 3, "messages=15 total=30 expected=30"},
		{"in process, two hosts", tlaunch.InProcess(tlaunch.LocalInventory(2)), 100, "messages=100 total=5050 expected=5050"},
		{"processes", tlaunch.Processes(nil), 3, "messages=15 total=30 expected=30"},
		{"processes, three hosts", tlaunch.Processes(tlaunch.LocalInventory(3)), 20, "messages=40 total=420 expected=420"},
	} {
		t.Run(c.name, func(t *testing.T) {
			log, err := capture.Run(t.Context(), star, Config{Rounds: c.rounds}, c.launch)
			require.NoError(t, err)
			require.Equal(t, 1, strings.Count(log, c.want), log)
		})
	}
}

func TestStarNeedsTwoHosts(t *testing.T) {
	_, err := star.Launch(t.Context(), Config{Rounds: 1}, tlaunch.InProcess(tlaunch.LocalInventory(1)))
	require.ErrorContains(t, err, "star needs at least 2 hosts")
}

func TestConsumerNoticesLoss(t *testing.T) {
	c := &Consumer{due: 2, received: make([]int, 1)}
	for _, n := range []Number{{0, 1}, {0, 3}} {
		_, err := c.Add(t.Context(), n)
		require.NoError(t, err)
	}
	require.ErrorContains(t, c.Stop(t.Context()), "2 messages with a total of 4 arrived, not 2 with 3")
	_, err := c.Add(t.Context(), Number{Worker: 1})
	require.Error(t, err)
}

// Ctrl-C ends a run that would go on for ever, and its result is printed.
func TestInterrupt(t *testing.T) {
	for _, launch := range []string{"inproc", "procs"} {
		t.Run(launch, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-launch", launch, "-rounds", "0", "-log-level", "DEBUG", "-quiet")
			cmd.Env = append(os.Environ(), asMain+"=1")
			out, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			lines := bufio.NewScanner(out)
			sent, result := false, ""
			for lines.Scan() {
				switch line := lines.Text(); {
				case !sent && strings.Contains(line, "DEBUG sent"):
					sent = true
					require.NoError(t, cmd.Process.Signal(os.Interrupt))
				case strings.Contains(line, "INFO  star"):
					result = line
				}
			}
			var exit *exec.ExitError
			require.ErrorAs(t, cmd.Wait(), &exit)
			require.Equal(t, tlaunch.StatusInterrupted, exit.ExitCode())
			total := result[strings.Index(result, "total=")+len("total="):]
			total, expected, ok := strings.Cut(total, " expected=")
			require.True(t, ok, result)
			require.Equal(t, expected, total)
		})
	}
}
