package endpointtest

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"time"
)

// SinkFaultKind is how a request to a sink goes wrong.
type SinkFaultKind int

// The kinds of faults.
const (
	// FaultStatus answers Status once all was read.
	FaultStatus SinkFaultKind = iota + 1
	// FaultEarly answers Status once At bytes were read, and closes.
	FaultEarly
	// FaultCut resets the connection once At bytes were read. Those were taken
	// where uploads are resumed.
	FaultCut
	// FaultLost takes everything, and resets the connection in place of an
	// answer.
	FaultLost
	// FaultStall reads nothing more after At bytes, until the client goes.
	FaultStall
	// FaultSilent takes everything and does not answer until the client goes.
	FaultSilent
)

// SinkFault strikes requests, each as often as it says.
type SinkFault struct {
	Kind SinkFaultKind
	// Method and Path are those of the requests that are struck, "" for any.
	Method, Path string
	// Skip is how many of these are left alone first, Times how many are struck
	// then: 0 for one, Always for all.
	Skip, Times int
	// At is a number of bytes of the request's content.
	At int64
	// Status, Location, RetryAfter and Body are answered.
	Status                     int
	Location, RetryAfter, Body string
}

// Fault makes requests fail from now on. The first fault that matches counts.
func (s *Sink) Fault(f SinkFault) {
	if f.Times == 0 {
		f.Times = 1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
}

// Heal takes all faults back.
func (s *Sink) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// strike is the fault of a request; its Kind is 0 for none.
func (s *Sink) strike(method, path string) SinkFault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		if f.Method != "" && f.Method != method || f.Path != "" && f.Path != path || f.Times == 0 {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if spend(&f.Times) {
			return *f
		}
	}
	return SinkFault{}
}

// reply answers as the fault says.
func (f *SinkFault) reply(w http.ResponseWriter) {
	if f.Location != "" {
		w.Header()["Location"] = []string{f.Location}
	}
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
	if f.Kind == FaultEarly {
		w.Header().Set("Connection", "close")
	}
	w.WriteHeader(f.Status)
	_, _ = io.WriteString(w, f.Body)
}

// taking is one request whose content is being read.
type taking struct {
	s     *Sink
	w     http.ResponseWriter
	r     *http.Request
	fault SinkFault
	path  string
}

// content reads the request's content into write, with the fault that struck.
// False means that the request was answered, or has come to its end otherwise.
func (t *taking) content(write func([]byte)) bool {
	read, buf := int64(0), make([]byte, 64<<10)
	for {
		p := buf
		switch t.fault.Kind {
		case FaultEarly, FaultCut, FaultStall:
			if read == t.fault.At {
				t.strike()
				return false
			}
			p = p[:min(int64(len(p)), t.fault.At-read)]
		}
		n, err := t.r.Body.Read(p)
		read += int64(n)
		if n > 0 {
			write(p[:n])
			t.s.count(t.path, n)
			t.pace(n)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			panic(http.ErrAbortHandler)
		}
	}
	if t.fault.Kind == FaultStatus {
		t.fault.reply(t.w)
		return false
	}
	return true
}

// taken tells whether a request that was carried out is to be answered.
func (t *taking) taken() bool {
	switch t.fault.Kind {
	case FaultLost:
		t.cut()
	case FaultSilent:
		t.hang()
	default:
		return true
	}
	return false
}

func (t *taking) strike() {
	switch t.fault.Kind {
	case FaultEarly:
		t.fault.reply(t.w)
	case FaultCut:
		t.cut()
	case FaultStall:
		t.hang()
	}
}

// pace waits as long as n bytes should have taken.
func (t *taking) pace(n int) {
	if t.s.opts.Rate <= 0 {
		return
	}
	wait := time.NewTimer(time.Duration(int64(n) * int64(time.Second) / t.s.opts.Rate))
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-t.s.closed:
		panic(http.ErrAbortHandler)
	}
}

// hang waits until the client or the sink goes. Where not all was read, net/http
// does not notice that the client goes.
func (t *taking) hang() {
	select {
	case <-t.r.Context().Done():
	case <-t.s.closed:
	}
	panic(http.ErrAbortHandler)
}

// cut resets the connection.
func (t *taking) cut() {
	conn, _, err := http.NewResponseController(t.w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if c, ok := conn.(*tls.Conn); ok {
		conn = c.NetConn()
	}
	if c, ok := conn.(*net.TCPConn); ok {
		_ = c.SetLinger(0)
	}
	_ = conn.Close()
}
