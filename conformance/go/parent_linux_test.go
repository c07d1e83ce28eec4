package conformance_test

import "syscall"

// endsWithParent has a process killed when the one that started it is gone, however that ended.
func endsWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
