package programs

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"

	tlaunch "github.com/tartrl/tlaunch-go"
)

// Traveller looks at what was brought along.
type Traveller struct{}

// Run reports the shipped file luggage/note.txt, the variables and the work folder.
func (*Traveller) Run(ctx context.Context) error {
	note, err := os.ReadFile("luggage/note.txt")
	if err != nil {
		return err
	}
	if _, err := os.Stat("luggage/.git"); err == nil {
		return fmt.Errorf("luggage/.git was brought along")
	}
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	var names []string
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		names = append(names, name)
	}
	slog.InfoContext(ctx, "luggage", "note", strings.TrimSpace(string(note)), "color", os.Getenv("COLOR"), "dir", dir, "variables", strings.Join(names, " "))
	return nil
}

// Luggage has a node on each host that reports what was brought along.
var Luggage = tlaunch.Define("luggage", func(p *tlaunch.Program, _ struct{}) error {
	tlaunch.AddEach(p, "traveller", tlaunch.OnEach("@all"), func(tlaunch.Host, int) *Traveller { return &Traveller{} })
	return nil
})
