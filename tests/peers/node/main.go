// node is the part of a kubelet that streams: exec, attach and port-forward of pods that kwok plays, by
// Kubernetes' own handlers, so that what a client sees on the wire is what a kubelet sends. A "container"
// is a process of this machine, in a folder of its pod; a forwarded port is a port of 127.0.0.1. All else
// that the API server asks of a node goes to kwok.
//
//	node -listen 127.0.0.1:PORT -cert FILE -key FILE -pods DIR -kwok https://127.0.0.1:PORT
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/creack/pty"
	"k8s.io/cri-streaming/pkg/streaming/portforward"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	utilexec "k8s.io/utils/exec"
)

const (
	idleTimeout     = 4 * time.Hour // a kubelet's own
	creationTimeout = 30 * time.Second
)

type node struct{ pods string }

// The end of a process as containers report it: a signal is 128 and its number.
func exitError(err error) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	status := exit.Sys().(syscall.WaitStatus)
	code := status.ExitStatus()
	if status.Signaled() {
		code = 128 + int(status.Signal())
	}
	return utilexec.CodeExitError{Err: fmt.Errorf("exit status %d", code), Code: code}
}

func (n *node) command(ctx context.Context, pod string, argv []string) (*exec.Cmd, error) {
	dir := filepath.Join(n.pods, filepath.Base(pod))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "HOSTNAME=" + pod, "TERM=xterm"}
	return cmd, nil
}

func runInTerminal(cmd *exec.Cmd, in io.Reader, out io.WriteCloser, resize <-chan remotecommand.TerminalSize) error {
	terminal, err := pty.Start(cmd)
	if err != nil {
		return err
	}
	defer terminal.Close()
	go func() {
		for size := range resize {
			_ = pty.Setsize(terminal, &pty.Winsize{Cols: size.Width, Rows: size.Height})
		}
	}()
	if in != nil {
		go io.Copy(terminal, in)
	}
	done := make(chan struct{})
	go func() {
		if out != nil {
			io.Copy(out, terminal) // until the last process of the terminal is gone (EIO)
		}
		close(done)
	}()
	err = cmd.Wait()
	<-done
	return err
}

func runWithPipes(cmd *exec.Cmd, in io.Reader, out, errOut io.WriteCloser) error {
	// Not cmd.Stdin: Wait would wait for an input that nobody ends.
	var input io.WriteCloser
	if in != nil {
		var err error
		if input, err = cmd.StdinPipe(); err != nil {
			return err
		}
	}
	if out != nil {
		cmd.Stdout = out
	}
	if errOut != nil {
		cmd.Stderr = errOut
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	if in != nil {
		go func() {
			io.Copy(input, in)
			input.Close()
		}()
	}
	return cmd.Wait()
}

func (n *node) ExecInContainer(ctx context.Context, pod, uid, container string, argv []string, in io.Reader,
	out, errOut io.WriteCloser, tty bool, resize <-chan remotecommand.TerminalSize, timeout time.Duration) error {
	cmd, err := n.command(ctx, pod, argv)
	if err != nil {
		return err
	}
	if tty {
		return exitError(runInTerminal(cmd, in, out, resize))
	}
	return exitError(runWithPipes(cmd, in, out, errOut))
}

// What a pod's own process would be: it says who it is, and gives back what it reads.
func (n *node) AttachContainer(ctx context.Context, pod, uid, container string, in io.Reader,
	out, errOut io.WriteCloser, tty bool, resize <-chan remotecommand.TerminalSize) error {
	return n.ExecInContainer(ctx, pod, uid, container, []string{"sh", "-c", "echo attached; exec cat"}, in, out,
		errOut, tty, resize, 0)
}

func (n *node) PortForward(ctx context.Context, pod, uid string, port int32, stream io.ReadWriteCloser) error {
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	defer conn.Close()
	sent := make(chan struct{})
	go func() {
		io.Copy(conn, stream)
		conn.(*net.TCPConn).CloseWrite()
		close(sent)
	}()
	_, err = io.Copy(stream, conn)
	stream.Close()
	<-sent
	return err
}

func (n *node) serve(w http.ResponseWriter, r *http.Request, fallback http.Handler) {
	// /exec/NAMESPACE/POD/CONTAINER, /attach/…, /portForward/NAMESPACE/POD, some with a uid in between
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	kind, name := parts[0], ""
	if len(parts) >= 3 {
		name = parts[1] + "_" + parts[2]
	}
	switch kind {
	case "exec", "attach":
		options, err := remotecommand.NewOptions(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if kind == "attach" {
			remotecommand.ServeAttach(w, r, n, name, "", "", options, idleTimeout, creationTimeout,
				remotecommand.SupportedStreamingProtocols)
			return
		}
		remotecommand.ServeExec(w, r, n, name, "", "", r.URL.Query()["command"], options, idleTimeout,
			creationTimeout, remotecommand.SupportedStreamingProtocols)
	case "portForward":
		options, err := portforward.NewV4Options(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		portforward.ServePortForward(w, r, n, name, "", options, idleTimeout, creationTimeout,
			portforward.SupportedProtocols)
	default:
		fallback.ServeHTTP(w, r)
	}
}

func main() {
	listen := flag.String("listen", "", "HOST:PORT")
	cert := flag.String("cert", "", "FILE")
	key := flag.String("key", "", "FILE")
	pods := flag.String("pods", "", "DIR")
	kwok := flag.String("kwok", "", "URL")
	flag.Parse()

	target, err := url.Parse(*kwok)
	if err != nil {
		log.Fatal(err)
	}
	fallback := httputil.NewSingleHostReverseProxy(target)
	fallback.FlushInterval = -1 // logs -f
	fallback.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	n := &node{pods: *pods}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { n.serve(w, r, fallback) })
	// HTTP/1.1 alone: connections are upgraded.
	server := &http.Server{Addr: *listen, Handler: handler, TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}}
	log.Fatal(server.ListenAndServeTLS(*cert, *key))
}
