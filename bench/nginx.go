package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"text/template"
)

// cappedRate is what the capped origin gives one connection, in bytes a second.
const cappedRate = "20m"

// nginxSettings fill nginxConfig.
type nginxSettings struct {
	Dir, Files, Plain, TLS, Capped, Cert, Key, Rate string
}

// nginxConfig serves one folder of files three ways. Requests a connection are
// not limited: a tool shall not be slowed by having to connect again.
var nginxConfig = template.Must(template.New("nginx").Parse(`
daemon off;
user root;
worker_processes 2;
pid {{.Dir}}/nginx.pid;
error_log stderr warn;
events { worker_connections 4096; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000;
  default_type application/octet-stream;
  client_body_temp_path {{.Dir}}/body;
  proxy_temp_path {{.Dir}}/proxy;
  fastcgi_temp_path {{.Dir}}/fastcgi;
  uwsgi_temp_path {{.Dir}}/uwsgi;
  scgi_temp_path {{.Dir}}/scgi;
  root {{.Files}};
  autoindex on;
  server { listen {{.Plain}}; }
  server { listen {{.Capped}}; limit_rate {{.Rate}}; }
  server {
    listen {{.TLS}} ssl;
    ssl_certificate {{.Cert}};
    ssl_certificate_key {{.Key}};
    ssl_protocols TLSv1.2 TLSv1.3;
  }
}
`))

// nginx is a running nginx and the addresses it serves on.
type nginx struct {
	*server
	plain, tls, capped string
}

// startNginx serves the folder files, keeping its own files in dir.
func startNginx(ctx context.Context, program, dir, files string, cert certificate) (*nginx, error) {
	n := &nginx{}
	for _, addr := range []*string{&n.plain, &n.tls, &n.capped} {
		free, err := freeAddr()
		if err != nil {
			return nil, err
		}
		*addr = free
	}
	var config bytes.Buffer
	err := nginxConfig.Execute(&config, nginxSettings{
		Dir: dir, Files: files, Plain: n.plain, TLS: n.tls, Capped: n.capped,
		Cert: cert.certFile, Key: cert.keyFile, Rate: cappedRate,
	})
	if err != nil {
		return nil, fmt.Errorf("configure nginx: %w", err)
	}
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, config.Bytes(), 0o644); err != nil {
		return nil, fmt.Errorf("configure nginx: %w", err)
	}
	n.server, err = startServer(ctx, "nginx", n.plain, dir, command{argv: []string{program, "-p", dir, "-c", path}})
	if err != nil {
		return nil, err
	}
	return n, nil
}
