"""What any part may need and none owns: Ctrl-C, streams, versions, files, which kept files may go."""
