// Package deploy_test tries what this folder ships: that rules and dashboard name
// metrics that a node has, that both Dockerfiles make the same image and, where an
// engine answers, that three nodes in containers lose nothing when one is killed.
package deploy_test
