package migration
import ("testing";"strings";"fmt";"github.com/zclconf/go-cty/cty";"github.com/esmig/esmig/providers")
func TestBig(t *testing.T) {
	w := world{"real", connect(t, labConfig(t, "source")), connect(t, labConfig(t, "target")), admin(t, "source")}
	w.fresh(t,"mig-big",1)
	text := strings.Repeat("lorem ipsum ", 40000)
	for i:=0;i<300;i+=30 { var b strings.Builder
	for k:=i;k<i+30;k++ { fmt.Fprintf(&b,"{\"index\":{\"_id\":\"%d\"}}\n{\"t\":%q}\n",k,text) }
	must(t,w.admin,"POST","/mig-big/_bulk?refresh=true",b.String()) }
	b:=with(copying("mig-big","mig-big"),"source","size",cty.NumberIntVal(300))
	task:=b.task(t,w.clusters())
	j:=newJournal()
	r,sum,err:=task.Run(t.Context(),j)
	t.Log(r,string(sum),err,j.notes)
	for _,x:=range j.records { t.Log(string(x)[:min(200,len(x))]) }
	v,err:=task.Verify(t.Context(),j,sum); t.Logf("%+v %v",v,err)
	task=copying("mig-big","mig-big").task(t,w.clusters())
	e,err:=task.Estimate(t.Context(),providers.Prospect{DestinationFresh:true,DestinationDeclared:true}); t.Logf("%+v %v",e,err)
}
