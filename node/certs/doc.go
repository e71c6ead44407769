// Package certs makes what the nodes of a trial or a small installation know
// each other by: a certificate authority, certificates of nodes and of people,
// the keys that all nodes share, and the token of the API.
//
// It owns the folder that it makes, its files and their permissions. It never
// overwrites a file, never renews or revokes anything, and never reads a
// certificate of anybody else: who has an authority of their own uses that one.
package certs
