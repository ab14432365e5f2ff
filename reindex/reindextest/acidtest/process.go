package acidtest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"
)

// process is the process of the engine. The first command, and the first one after a kill, starts it.
type process struct {
	t    *testing.T
	dir  string
	env  []string
	cmd  *exec.Cmd
	in   io.WriteCloser
	said chan string
}

func (p *process) start() {
	p.t.Helper()
	p.cmd = exec.CommandContext(p.t.Context(), os.Args[0])
	p.cmd.Env = append(append(os.Environ(), p.env...), childDir+"="+p.dir)
	p.cmd.Stderr = os.Stderr
	in, err := p.cmd.StdinPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	said := make(chan string, 1)
	go func() {
		defer close(said)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			said <- lines.Text()
		}
	}()
	p.in, p.said = in, said
}

// ask sends a command to the process.
func (p *process) ask(command string) {
	p.t.Helper()
	if p.cmd == nil {
		p.start()
	}
	if _, err := fmt.Fprintln(p.in, command); err != nil {
		p.t.Fatalf("%s: %v", command, err)
	}
}

// must sends a command and waits until it is done. The test fails if the command fails.
func (p *process) must(command string) {
	p.t.Helper()
	p.ask(command)
	select {
	case answer, ok := <-p.said:
		if !ok {
			p.t.Fatalf("%s: the engine's process has ended", command)
		}
		if answer != done {
			p.t.Errorf("%s: %s", command, answer)
		}
	case <-time.After(patience):
		p.t.Fatalf("%s: no answer for %v", command, patience)
	}
}

// killWithin sends a command, and kills the process after the given time or once the command is done.
func (p *process) killWithin(command string, while time.Duration) {
	p.t.Helper()
	p.ask(command)
	select {
	case <-p.said:
	case <-time.After(while):
	}
	p.stop()
}

// stop kills the process.
func (p *process) stop() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill() // an error means that it has ended
	for range p.said {
	}
	_ = p.cmd.Wait() // always fails after a kill
	p.cmd = nil
}
