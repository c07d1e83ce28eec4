//go:build !linux

package conformance_test

import "syscall"

// endsWithParent has nothing to ask for: only Linux can end a process with the one that started it.
func endsWithParent() *syscall.SysProcAttr {
	return nil
}
