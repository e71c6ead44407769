// Command godwit moves big files in the background and does not let go of
// them. It parses, prints and exits; what it does is done by the packages node
// and client.
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
