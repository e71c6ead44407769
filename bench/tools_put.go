package main

// putTools send one file to an HTTP server in one request.
func putTools() []tool {
	to := func(j job) string { return j.target.endpoint + "/" + bucket + "/" + j.key }
	return []tool{
		{"godwit put", []string{"godwit"}, func(p programs, j job) []string {
			return []string{p["godwit"], "put", "-q", "--no-progress", "--data-dir", j.state, "--protocol", "put", j.source, to(j)}
		}},
		{"curl -T", []string{"curl"}, func(p programs, j job) []string {
			return []string{p["curl"], "-q", "-sSf", "-H", "Expect:", "-T", j.source, to(j)}
		}},
	}
}
