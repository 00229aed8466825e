package compile

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// niceness of a child: work that someone waits for goes before it, but a busy
// machine still compiles, at a quarter of a core.
const niceness = 5

// owned says whether a file belongs to the user of this process.
func owned(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}

// exposed says whether others may read or change a file.
func exposed(info fs.FileInfo) bool { return info.Mode().Perm()&0o077 != 0 }

// confine gives a child a process group of its own, and an end with this
// process. The caller keeps its thread until the child has ended: the death
// signal is sent when the thread that started it ends.
func confine(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error {
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
}

// yieldTo lowers a child's priority below this process's.
func yieldTo(cmd *exec.Cmd) error {
	if err := syscall.Setpriority(syscall.PRIO_PGRP, cmd.Process.Pid, niceness); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("lower the priority of the compiler: %w", err)
	}
	return nil
}

// limit bounds this process, a child, for good: processor time, in case that
// nobody is left to kill it, and memory that it may write to. (The address
// space says little about a Go program, which reserves far more than it uses.)
func limit(cpuTime time.Duration, memory int64) error {
	seconds := uint64(math.Ceil(cpuTime.Seconds()))
	for resource, value := range map[int]uint64{
		syscall.RLIMIT_CPU: seconds, syscall.RLIMIT_DATA: uint64(memory), syscall.RLIMIT_CORE: 0,
	} {
		if err := syscall.Setrlimit(resource, &syscall.Rlimit{Cur: value, Max: value}); err != nil {
			return fmt.Errorf("set limit %d to %d: %w", resource, value, err)
		}
	}
	return nil
}
