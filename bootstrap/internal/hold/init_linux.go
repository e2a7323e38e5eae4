package hold

import (
	"errors"
	"os"
	"strconv"
	"syscall"
	"time"
)

// An init takes over here rather than in the program's main, so that nothing of the program runs in it.
func init() {
	if value := os.Getenv(Variable); hasPrefix(value, RoleInit+"/") {
		syscall.Exit(run(value)) // not os.Exit, which under the race detector sleeps
	}
}

// run is the whole life of an init; it returns the status to exit with, which nobody reads. The worker dies with the thread that has
// started it, which lasts as long as the process: the runtime has init functions run on the first thread, and on no other.
func run(value string) int {
	for _, fd := range []int{FileWords, FileBeats} {
		syscall.CloseOnExec(fd)
	}
	orders, err := ParseOrders(value)
	if err != nil {
		return fail(StepOrders, syscall.EINVAL)
	}
	if orders.Namespace {
		if err := ownProc(); err != nil {
			return fail(StepMount, err)
		}
		spreadPIDs(orders.FirstPID)
		dropAmbient()
	} else if err := BecomeReaper(); err != nil {
		return fail(StepReaper, err)
	}
	worker, err := startWorker(orders)
	if err != nil {
		return fail(StepWorker, err)
	}
	if err := say(Word{Kind: Started}); err != nil {
		return end(orders)
	}
	go watchAgent(orders)
	for {
		var status syscall.WaitStatus
		var usage syscall.Rusage
		pid, err := syscall.Wait4(-1, &status, 0, &usage)
		if err == nil && pid == worker {
			const kilobyte = 1024
			_ = say(Word{Kind: Ended, Status: status, MaxRSS: int64(usage.Maxrss) * kilobyte}) // an agent that is gone needs no answer
			return end(orders)
		}
		if errors.Is(err, syscall.ECHILD) {
			return end(orders)
		}
	}
}

// fail says what went wrong.
func fail(step Step, err error) int {
	errno := syscall.EIO
	_ = errors.As(err, &errno)
	_ = say(Word{Kind: Failed, Step: step, Errno: errno}) // an agent that is gone needs no answer
	return 1
}

func say(w Word) error {
	_, err := syscall.Write(FileWords, w.Append(nil))
	return err
}

// end leaves nothing behind. In a namespace the kernel sees to it.
func end(o Orders) int {
	if !o.Namespace {
		KillDescendants(0)
	}
	return 0
}

// ownProc gives the namespace a /proc that shows it. Mounts that the host makes later still appear here, as folders that are
// mounted when they are first used have to; what is mounted here stays here.
func ownProc() error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_SLAVE, ""); err != nil {
		return err
	}
	return syscall.Mount("proc", "/proc", "proc", syscall.MS_NOSUID|syscall.MS_NODEV|syscall.MS_NOEXEC, "")
}

// spreadPIDs lets numbering begin after first: programs name files in shared folders by their process id, and those of two
// namespaces would be the same. It is a courtesy, so errors are of no matter.
func spreadPIDs(first int) {
	if f, err := os.OpenFile("/proc/sys/kernel/ns_last_pid", os.O_WRONLY, 0); err == nil {
		_, _ = f.WriteString(strconv.Itoa(first))
		_ = f.Close()
	}
}

// dropAmbient takes back the permission to mount, where a user namespace has lent it, before anything else is started.
func dropAmbient() {
	const capAmbient, clearAll = 47, 4 // PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL
	_, _, _ = syscall.RawSyscall6(syscall.SYS_PRCTL, capAmbient, clearAll, 0, 0, 0, 0)
}

// workerEnv is the environment of the worker.
func workerEnv(own []string, o Orders) []string {
	env := make([]string, 0, len(own))
	for _, v := range own {
		switch {
		case hasPrefix(v, Variable+"="):
			env = append(env, Variable+"="+o.Worker)
		case o.Alone != "" && hasPrefix(v, o.Alone+"="):
		default:
			env = append(env, v)
		}
	}
	return env
}

// startWorker starts the executable once more, and leaves it alone with its files.
func startWorker(o Orders) (int, error) {
	exe, err := os.Executable()
	if err != nil {
		return 0, err
	}
	pid, err := syscall.ForkExec(exe, os.Args, &syscall.ProcAttr{
		Env:   workerEnv(os.Environ(), o),
		Files: []uintptr{0, 1, 2, 3, 4, 5},
		Sys:   &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		return 0, err
	}
	for fd := 1; fd < FileWords; fd++ { // only the worker is to hold these pipes open
		if fd <= 2 {
			_ = syscall.Dup3(0, fd, 0)
		} else {
			_ = syscall.Close(fd)
		}
	}
	return pid, nil
}

// watchAgent ends everything when the agent is gone, or silent for too long.
func watchAgent(o Orders) {
	_ = syscall.SetNonblock(FileBeats, true)
	beats := os.NewFile(FileBeats, "beats")
	buf := make([]byte, 64)
	for {
		_ = beats.SetReadDeadline(time.Now().Add(o.Patience))
		if _, err := beats.Read(buf); err != nil {
			syscall.Exit(end(o))
		}
	}
}
