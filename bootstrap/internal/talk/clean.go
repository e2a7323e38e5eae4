package talk

import "time"

// Leftover is a process, or a work folder, of a run whose agent on the host is gone.
type Leftover struct {
	Mark    Mark          // whose it is; zero for a folder whose claim was lost
	PID     int           // the process; 0: it is a work folder
	Path    string        // the work folder, or empty
	Command string        // the process's command line, at most 256 bytes
	User    string        // name, or number where it has none
	Age     time.Duration // since the start of the process, since the making of the folder
	Foreign bool          // it is another user's, and not ours to end
	Ended   bool          // it was there, and is gone now
	Problem string        // why it is still there although it was to be ended, or empty
}

// CleanOrders tell a cleaner what to do.
type CleanOrders struct {
	Bases []string // further folders that work folders may be in
	End   bool
	Run   string // as it is in marks; empty: all
}

// CleanReport is what a cleaner has found.
type CleanReport struct {
	Found   []Leftover
	Running []Mark
}
