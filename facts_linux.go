package tlaunch

import "golang.org/x/sys/unix"

// ask asks the system. What it does not tell stays unknown.
func (f *hostFacts) ask(folders []string) {
	var files unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &files) == nil {
		f.OpenFiles = files.Cur
	}
	var machine unix.Sysinfo_t
	if unix.Sysinfo(&machine) == nil {
		f.Memory = int64(machine.Totalram) * int64(machine.Unit)
	}
	for _, folder := range folders {
		var disk unix.Statfs_t
		if unix.Statfs(folder, &disk) != nil {
			continue
		}
		if free := int64(disk.Bavail) * int64(disk.Bsize); f.Free < 0 || free < f.Free {
			f.Free, f.Folder = free, folder
		}
	}
}
