// SPDX-License-Identifier: Apache-2.0

// The official client for Go at work: in the comparison (load.go) and as a peer of tests (peer.go).
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/apache/pulsar-client-go/pulsar"
	"github.com/apache/pulsar-client-go/pulsar/log"
	"github.com/sirupsen/logrus"
)

func need(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func newClient(url string) pulsar.Client {
	silent := logrus.New()
	silent.SetOutput(io.Discard)
	client, err := pulsar.NewClient(pulsar.ClientOptions{URL: url, Logger: log.NewLoggerWithLogrus(silent)})
	need(err)
	return client
}

func main() {
	modes := map[string]func([]string){
		"publish": load((*app).publish), "consume": load((*app).consume),
		"latency": load((*app).latency), "hold": load((*app).hold),
		"peer-produce": peerProduce, "peer-consume": peerConsume,
	}
	if len(os.Args) < 3 || modes[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "publish, consume, latency, hold, peer-produce or peer-consume, then name=value words")
		os.Exit(64)
	}
	modes[os.Args[1]](os.Args[2:])
}
