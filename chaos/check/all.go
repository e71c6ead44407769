package check

// All are the promises, in the order in which reports show them.
var All = []Check{
	{"S3", "Each record has one writer in each epoch, epochs never fall, and each accepted write replaces what the accepted write before it left.", "", oneWriter},
	{"S4", "Each record is created once.", "", oneCreation},
	{"S10", "What is completed, failed or canceled stays so.", "", terminalStays},
}
