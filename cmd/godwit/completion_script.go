package main

import (
	"github.com/spf13/cobra"
)

func newCompletionScript(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "completion-script bash|zsh|fish",
		Short: "Write a script that makes a shell complete commands and flags",
		Example: `  source <(godwit completion-script bash)
  godwit completion-script fish > ~/.config/fish/completions/godwit.fish`,
		ValidArgs: []string{"bash", "zsh", "fish"},
		Args:      arguments(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(a.stdout, true)
			case "zsh":
				return root.GenZshCompletion(a.stdout)
			case "fish":
				return root.GenFishCompletion(a.stdout, true)
			}
			return usagef("there is no script for %q; there are bash, zsh and fish", args[0])
		},
	}
}
