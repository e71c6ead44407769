package main

import "strconv"

// fileTools fetch one file to disk.
func fileTools() []tool {
	return []tool{
		{"godwit get", []string{"godwit"}, func(p programs, j job) []string {
			return []string{p["godwit"], "get", "-q", "--no-progress", "--data-dir", j.state, j.url, j.dest}
		}},
		{"curl -o", []string{"curl"}, func(p programs, j job) []string {
			return []string{p["curl"], "-q", "-sSf", "--cacert", j.cert, "-o", j.dest, j.url}
		}},
		{"wget2", []string{"wget2"}, func(p programs, j job) []string {
			return []string{p["wget2"], "-q", "--ca-certificate=" + j.cert, "-O", j.dest, j.url}
		}},
		aria2(1), aria2(4), aria2(16),
		{"rclone copyurl", []string{"rclone"}, func(p programs, j job) []string {
			return []string{p["rclone"], "copyurl", "--ca-cert", j.cert, j.url, j.dest}
		}},
		{"rclone copy --multi-thread-streams 4", []string{"rclone"}, rcloneCopy},
	}
}

// aria2 uses so many connections, on files of any size.
func aria2(connections int) tool {
	n := strconv.Itoa(connections)
	return tool{"aria2c -x" + n, []string{"aria2c"}, func(p programs, j job) []string {
		return []string{
			p["aria2c"], "-q", "--no-conf", "--ca-certificate=" + j.cert, "-x" + n, "-s" + n, "-k1M",
			"-d", j.out, "-o", j.name, j.url,
		}
	}}
}

func rcloneCopy(p programs, j job) []string {
	return []string{
		p["rclone"], "copyto", "--ca-cert", j.cert, "--http-url", j.base,
		"--multi-thread-streams", "4", "--multi-thread-cutoff", "16M", ":http:" + j.name, j.dest,
	}
}

// syncedTools are tools followed by what godwit does by itself: the result is
// on the disk when the command ends.
func syncedTools() []tool {
	synced := func(name, program, script string) tool {
		return tool{name + " && sync", []string{program}, func(p programs, j job) []string {
			return shell(script+` && exec sync "$3"`, p[program], j.url, j.dest, j.cert)
		}}
	}
	return []tool{
		synced("curl -o", "curl", `"$1" -q -sSf --cacert "$4" -o "$3" "$2"`),
		synced("wget2", "wget2", `"$1" -q --ca-certificate="$4" -O "$3" "$2"`),
		{"rclone copy --multi-thread-streams 4 && sync", []string{"rclone"}, func(p programs, j job) []string {
			return shell(`dest=$1; shift; "$@" && exec sync "$dest"`, append([]string{j.dest}, rcloneCopy(p, j)...)...)
		}},
	}
}
