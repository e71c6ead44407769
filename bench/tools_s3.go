package main

// s3Flags make rclone write to the S3 server of a job, in parts of 16 MiB.
func s3Flags(j job) []string {
	return []string{
		"--s3-provider", "Other", "--s3-endpoint", j.target.endpoint, "--s3-region", "us-east-1",
		"--s3-access-key-id", accessKey, "--s3-secret-access-key", secretKey,
		"--s3-force-path-style", "--s3-no-check-bucket", "--s3-chunk-size", "16M", "--ca-cert", j.cert,
	}
}

func s3Name(j job) string { return ":s3:" + bucket + "/" + j.key }

// s3Tools fetch one file into an S3 bucket.
func s3Tools() []tool {
	rclone := func(p programs, j job, args ...string) []string {
		return append(append([]string{p["rclone"]}, args...), s3Flags(j)...)
	}
	return []tool{
		{"godwit get", []string{"godwit"}, func(p programs, j job) []string {
			return []string{p["godwit"], "get", "-q", "--no-progress", "--data-dir", j.state, j.url, "s3://" + bucket + "/" + j.key}
		}},
		{"rclone copyto, 16 MiB chunks", []string{"rclone"}, func(p programs, j job) []string {
			return rclone(p, j, "copyto", "--http-url", j.base, ":http:"+j.name, s3Name(j))
		}},
		{"rclone copyurl", []string{"rclone"}, func(p programs, j job) []string {
			return rclone(p, j, "copyurl", j.url, s3Name(j))
		}},
		{"curl piped into rclone rcat", []string{"curl", "rclone"}, func(p programs, j job) []string {
			script := `curl=$1 url=$2; shift 2; "$curl" -q -sSf "$url" | "$@"`
			return shell(script, append([]string{p["curl"], j.url}, rclone(p, j, "rcat", s3Name(j))...)...)
		}},
	}
}

// discardTools are s3Tools beside the least that can move bytes: a bare pipe,
// unsigned, in one PUT. Only a server that checks nothing takes it.
func discardTools() []tool {
	return append(s3Tools(), tool{"curl piped into curl -T", []string{"curl"}, func(p programs, j job) []string {
		script := `"$1" -q -sSf "$2" | "$1" -q -sSf -X PUT -H Expect: -T - "$3"`
		return shell(script, p["curl"], j.url, j.target.endpoint+"/"+bucket+"/"+j.key)
	}})
}
