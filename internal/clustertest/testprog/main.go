// Testprog launches one of the programs of package programs: its first
// argument is the program's name, the others are its flags.
package main

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	tlaunch "github.com/tartrl/tlaunch-go"
	"github.com/tartrl/tlaunch-go/internal/clustertest/programs"
)

func main() {
	tlaunch.Init()
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "testprog: which program?")
		os.Exit(tlaunch.StatusUsage)
	}
	name := os.Args[1]
	os.Args = append(os.Args[:1], os.Args[2:]...)
	switch name {
	case "ring":
		cfg := programs.RingConfig{Rounds: 10, Marker: "marker"}
		flag.IntVar(&cfg.Rounds, "rounds", cfg.Rounds, "texts from each peer")
		flag.StringVar(&cfg.Marker, "marker", cfg.Marker, "the text")
		tlaunch.Main(programs.Ring, &cfg)
	case "mesh":
		tlaunch.Main(programs.Mesh, &struct{}{})
	case "star":
		tlaunch.Main(programs.Star, &struct{}{})
	case "fate":
		cfg := programs.FateConfig{How: "return"}
		flag.StringVar(&cfg.How, "how", cfg.How, "how the second host's node ends")
		flag.StringVar(&cfg.Where, "where", cfg.Where, "where one more node goes")
		flag.BoolVar(&cfg.Own, "own", false, "the second host's node has a process of its own")
		tlaunch.Main(programs.Fate, &cfg)
	case "phoenix":
		cfg := programs.PhoenixConfig{Lives: 1}
		flag.IntVar(&cfg.Lives, "lives", cfg.Lives, "lives that each sender is to see")
		flag.IntVar(&cfg.Max, "max", cfg.Max, "restarts within a minute")
		flag.BoolVar(&cfg.Keep, "keep", cfg.Keep, "go on without the bird")
		flag.StringVar(&cfg.Own, "own", cfg.Own, "how the bird ends by itself")
		tlaunch.Main(programs.Phoenix, &cfg)
	case "vault":
		cfg := programs.VaultConfig{}
		flag.StringVar(&cfg.Dir, "dir", "", "where checkpoints are")
		tlaunch.Main(programs.Vault, &cfg)
	case "streams":
		cfg := programs.StreamsConfig{For: 5 * time.Second}
		flag.DurationVar(&cfg.For, "for", cfg.For, "how long everybody sends")
		flag.BoolVar(&cfg.Restart, "restart", false, "start a host that dies again")
		tlaunch.Main(programs.Streams, &cfg)
	case "spread":
		cfg := programs.SpreadConfig{Bytes: 1 << 20, Victim: -1}
		flag.IntVar(&cfg.Bytes, "bytes", cfg.Bytes, "how much the first member broadcasts")
		flag.IntVar(&cfg.Victim, "victim", cfg.Victim, "the member whose process dies")
		flag.BoolVar(&cfg.Again, "again", false, "start it again")
		tlaunch.Main(programs.Spread, &cfg)
	case "sums":
		cfg := programs.SumsConfig{Bytes: 1 << 20}
		flag.IntVar(&cfg.Bytes, "bytes", cfg.Bytes, "that each member has")
		flag.Func("victim", "the member whose process dies in the first sum; again: in the second", func(s string) error {
			rank, err := strconv.Atoi(s)
			cfg.Victims = append(cfg.Victims, rank)
			return err
		})
		tlaunch.Main(programs.Sums, &cfg)
	case "torrent":
		cfg := programs.TorrentConfig{Bytes: 1 << 20}
		flag.IntVar(&cfg.Bytes, "bytes", cfg.Bytes, "how much the first member broadcasts at a time")
		flag.StringVar(&cfg.Until, "until", "", "the file that ends it")
		tlaunch.Main(programs.Torrent, &cfg)
	case "editions":
		cfg := programs.EditionsConfig{Bytes: 1 << 20, Versions: 10, Every: 100 * time.Millisecond, Victim: -1}
		flag.IntVar(&cfg.Bytes, "bytes", cfg.Bytes, "of a version")
		flag.IntVar(&cfg.Versions, "versions", cfg.Versions, "how many")
		flag.DurationVar(&cfg.Every, "every", cfg.Every, "how often")
		flag.IntVar(&cfg.Victim, "victim", cfg.Victim, "the member whose process dies")
		flag.DurationVar(&cfg.After, "after", cfg.After, "when it dies")
		tlaunch.Main(programs.Editions, &cfg)
	case "idle":
		cfg := programs.IdleConfig{PerHost: 10}
		flag.IntVar(&cfg.PerHost, "per-host", cfg.PerHost, "nodes on each host")
		tlaunch.Main(programs.Idle, &cfg)
	case "pulse":
		tlaunch.Main(programs.Pulse, &struct{}{})
	case "tangle":
		cfg := programs.TangleConfig{Victim: -1, How: "error"}
		flag.IntVar(&cfg.Victim, "victim", cfg.Victim, "the node that fails")
		flag.StringVar(&cfg.How, "how", cfg.How, "how it fails")
		flag.DurationVar(&cfg.After, "after", cfg.After, "when it fails")
		tlaunch.Main(programs.Tangle, &cfg)
	case "different":
		tlaunch.Main(programs.Different, &struct{}{})
	case "greed":
		tlaunch.Main(programs.Greed, &struct{}{})
	case "unsendable":
		tlaunch.Main(programs.Unsendable, &programs.UnsendableConfig{Notify: make(chan int)})
	case "luggage":
		tlaunch.Main(programs.Luggage, &struct{}{})
	case "commands":
		cfg := programs.CommandsConfig{Path: "sh"}
		flag.StringVar(&cfg.Path, "path", cfg.Path, "executable")
		flag.StringVar(&cfg.Files, "files", "", "folder to bring along")
		flag.StringVar(&cfg.Odd, "odd", "", "executable on the second host")
		flag.Func("arg", "argument; may be repeated", func(a string) error {
			cfg.Args = append(cfg.Args, a)
			return nil
		})
		tlaunch.Main(programs.Commands, &cfg)
	case "talk":
		cfg := programs.TalkConfig{PerSecond: 10_000, For: 3 * time.Second, Kill: map[string]time.Duration{}}
		flag.IntVar(&cfg.PerSecond, "per-second", cfg.PerSecond, "lines from each host in a second")
		flag.DurationVar(&cfg.For, "for", cfg.For, "how long")
		flag.Func("kill", "`host=when` its process is killed; may be repeated", func(s string) error {
			host, when, _ := strings.Cut(s, "=")
			d, err := time.ParseDuration(when)
			cfg.Kill[host] = d
			return err
		})
		tlaunch.Main(programs.Talk, &cfg)
	case "join":
		os.Exit(join())
	case "stock":
		os.Exit(stock())
	}
	fmt.Fprintf(os.Stderr, "testprog: no program %q\n", name)
	os.Exit(tlaunch.StatusUsage)
}
