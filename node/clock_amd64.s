//go:build clock && linux && amd64

#include "textflag.h"

// func wrongClock() uintptr
TEXT ·wrongClock(SB), NOSPLIT, $0-8
	LEAQ	tell<>(SB), AX
	MOVQ	AX, ret+0(FP)
	RET

// tell is clock_gettime(clock, *timespec) with the calling convention of C, as
// the runtime calls it: DI and SI are its arguments. A system call keeps all
// registers but AX, CX and R11, which are the caller's to save.
TEXT tell<>(SB), NOSPLIT|NOFRAME, $0
	MOVL	$228, AX // SYS_clock_gettime
	SYSCALL
	CMPL	DI, $0 // CLOCK_REALTIME
	JNE	told
	MOVQ	·wrongBy(SB), CX
	ADDQ	CX, 0(SI)
told:
	RET
